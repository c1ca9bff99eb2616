# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.check} and L{inetdtw.cli.findings}."""

from __future__ import annotations

import itertools
import os

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import check, findings
from inetdtw.cli.findings import BEFORE, WIDTH
from inetdtw.model.errors import Location
from inetdtw.model.service import Settings
from inetdtw.test.fakelookups import lookups

#: What the message about a second line for a socket ends with.
LAST = ": remove one of the lines; most other inetds serve the last"


class CheckCase(SynchronousTestCase):
    """A test with configuration files."""

    def setUp(self) -> None:
        """Make a directory."""
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        self.lines: list[str] = []
        self.numbers = itertools.count()

    def write(self, text: str, name: str = "inetd.conf", mode: int = 0o644) -> str:
        """Make a file."""
        path = os.path.join(self.directory, name)
        with open(path, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
        os.chmod(path, mode)
        return path

    def check(self, *paths: str) -> bool:
        """Check files."""
        for module in (check, findings):
            self.patch(module, "out", self.lines.append)
        return check.check(paths, Settings(), lookups())

    def assertFails(self, text: str, *lines: str) -> None:
        """Assert that a file fails with these lines, in which C{FILE} is its path."""
        # Excerpts are of the text that a path had first.
        path = self.write(text, f"{next(self.numbers)}.conf")
        self.assertFalse(self.check(path), self.lines)
        found = [line.replace(path, "FILE") for line in self.lines[:-1]]
        self.assertEqual(found, list(lines))

    def assertPasses(self, text: str, *lines: str) -> None:
        """Assert that a file passes with these lines."""
        path = self.write(text)
        self.assertTrue(self.check(path), self.lines)
        found = [line.replace(path, "FILE") for line in self.lines[:-1]]
        self.assertEqual(found, list(lines))


class CheckTests(CheckCase):
    """Tests for L{check.check}, with the items of the conformance page."""

    def test_good(self) -> None:
        """For a file without errors only the summary is printed."""
        self.assertPasses("7007 stream tcp nowait alpine /bin/sh sh\n")
        self.assertEqual(self.lines, ["1 service, 0 errors, 0 warnings"])

    def test_errors(self) -> None:
        """Each error fails, with its line and a caret under what is wrong."""
        echo = "7 stream tcp nowait root internal"
        for location, line, message in (
            # Items 3, 14, 16, 18, 24, 25 and 29.
            (
                *("2:1", "nix stream tcp nowait root internal"),
                "service: 'nix/tcp' is not in services(5): use a port number",
            ),
            (
                *("2:3", "7 stream"),
                "protocol: is missing: a line needs 6 fields, not 2",
            ),
            (
                *("2:21", "7 stream tcp nowait/99999 root internal"),
                "accept_max: '99999' is not a number from 0 to 32767",
            ),
            (
                *("2:21", "7 stream tcp nowait nix /bin/sh"),
                "user: unknown user 'nix': service ignored",
            ),
            (
                *("2:3", "7 stream udp nowait root internal"),
                "socktype: 'stream' must be dgram for udp",
            ),
            (*("2:1", echo), f"service: 0.0.0.0:7 is already served by FILE:1:1{LAST}"),
            (*("2:22", "8 on protocol = tcp, nix = 1;"), "nix: unknown key"),
        ):
            self.lines.clear()
            caret = " " * (int(location[2:]) - 1) + "^"
            self.assertFails(
                f"{echo}\n{line}\n",
                *(f"FILE:{location}: {message}", f"    {line}", f"    {caret}"),
            )

    def test_off(self) -> None:
        """A definition that is off is checked (item 28)."""
        self.assertPasses("7 off protocol = tcp;\n8 on protocol=tcp, args=echo;\n")
        self.assertFalse(self.check(self.write("7 off protocol = xyz;\n")))

    def test_nothing(self) -> None:
        """A file without a service fails, as when it was truncated."""
        for text in (
            "",
            "7 off protocol=tcp;",
        ):
            self.lines.clear()
            self.assertFails(
                text, "FILE:1:1: file: nothing to serve: no service is configured"
            )
            self.assertEqual(self.lines[-1], "0 services, 1 error, 0 warnings")
        self.lines.clear()
        self.assertFails(
            "\n# The services.\n #7 stream tcp nowait root internal\n",
            "FILE:1:1: file: nothing to serve: all 2 lines are comments; remove the "
            "'#' in front of a service",
        )
        self.lines.clear()
        self.assertFails(
            "7 steam\n",
            "FILE:1:3: protocol: is missing: a line needs 6 fields, not 2",
            "    7 steam",
            "      ^",
        )

    def test_overlap(self) -> None:
        """An address that overlaps another one draws a warning."""
        echo = "7 stream tcp nowait root internal"
        self.assertPasses(
            f"{echo}\n127.0.0.1:{echo}\n",
            "FILE:2:11: warning: service: 127.0.0.1:7 overlaps 0.0.0.0:7 (FILE:1:1); "
            "outside the BSDs only one of them can be bound",
            f"    127.0.0.1:{echo}",
            "              ^",
        )

    def test_comment(self) -> None:
        """An argument that looks like a comment draws a warning (item 11)."""
        self.assertPasses(
            "7 stream tcp nowait - /bin/sh sh # x\n",
            "FILE:1:34: warning: args: '#' is an argument of the program, not a "
            "comment",
            "    7 stream tcp nowait - /bin/sh sh # x",
            "                                     ^",
        )

    def test_missingProgram(self) -> None:
        """A missing program draws a warning, and passes."""
        self.assertPasses(
            "7 stream tcp nowait - /bin/nix\n",
            "FILE:1:23: warning: exec: '/bin/nix': No such file or directory (yet)",
            "    7 stream tcp nowait - /bin/nix",
            "                          ^",
        )

    def test_writable(self) -> None:
        """A file that all users can write draws a warning without an excerpt."""
        path = self.write("7 stream tcp nowait root internal\n", mode=0o646)
        self.assertTrue(self.check(path))
        self.assertEqual(
            self.lines,
            [
                f"{path}:1:1: warning: file: writable by users other than its owner: "
                "-rw-r--rw-",
                "1 service, 0 errors, 1 warning",
            ],
        )

    def test_absent(self) -> None:
        """A missing file fails."""
        path = os.path.join(self.directory, "absent")
        self.assertFalse(self.check(path))
        wanted = f"{path}:1:1: file: '{path}' cannot be read: No such file or directory"
        self.assertEqual(self.lines[0], wanted)

    def test_order(self) -> None:
        """Errors and warnings are printed in the order of their lines."""
        path = self.write(
            "7 stream tcp nowait - /bin/nix\n8 stream\n9 stream tcp nowait - /bin/nix\n"
        )
        self.check(path)
        found = [line for line in self.lines if line.startswith(path)]
        self.assertEqual(
            [line[len(path) :].split(":")[1] for line in found], ["1", "2", "3"]
        )

    def test_several(self) -> None:
        """
        Several files are checked together.

        A line of one fails if a line of another has its socket.
        """
        echo = "7 stream tcp nowait root internal\n"
        first = self.write(echo, "first")
        directory = os.path.join(self.directory, "inetd.d")
        os.mkdir(directory)
        second = self.write(echo, "inetd.d/second")
        self.assertFalse(self.check(first, directory))
        wanted = f"{second}:1:1: service: 0.0.0.0:7 is already served by {first}:1:1"
        self.assertEqual(self.lines[0], wanted + LAST)

    def test_included(self) -> None:
        """An error in an included file is printed with the line of that file."""
        self.write("7 steam\n", "inner.conf")
        path = self.write(".include inner.conf\n")
        self.check(path)
        self.assertIn("    7 steam", self.lines)


class ExcerptTests(CheckCase):
    """Tests for L{check.excerpt}."""

    def of(self, text: str, column: int, line: int = 1) -> list[str]:
        """Return the excerpt for a location."""
        return list(findings.excerpt(Location(self.write(text), line, column)))

    def test_tabs(self) -> None:
        """The caret is under the field where there are tabs before it."""
        self.assertEqual(self.of("a\tb\tcc", 5), ["a b cc", "    ^"])

    def test_wide(self) -> None:
        """The caret is under the field after wide and combining characters."""
        self.assertEqual(self.of("日e\u0301x", 4), ["日e\u0301x", "   ^"])

    def test_controls(self) -> None:
        """Control characters are replaced."""
        self.assertEqual(self.of("a\x1b[2Jx", 1), ["a\ufffd[2Jx", "^"])

    def test_long(self) -> None:
        """The excerpt of a long line is the part around the field."""
        shown, caret = self.of("a" * 1000 + "x" + "b" * 1000, 1001)
        self.assertEqual(len(shown), WIDTH)
        self.assertEqual(shown[caret.index("^")], "x")
        self.assertEqual(caret.index("^"), BEFORE)

    def test_noLine(self) -> None:
        """A line that no longer exists has no excerpt."""
        self.assertEqual(self.of("a\n", 1, 9), [])

    def test_noFile(self) -> None:
        """A file that cannot be read has no excerpt."""
        self.assertEqual(list(findings.excerpt(Location("/nix", 1))), [])
