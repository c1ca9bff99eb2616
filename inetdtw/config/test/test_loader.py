# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.loader}."""

from __future__ import annotations

import contextlib
import errno
import os
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config import loader
from inetdtw.config.keyvalue import WORDS
from inetdtw.config.loader import Configuration, fromStatements, load, read
from inetdtw.config.parser import STATEMENTS, parse
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Settings
from inetdtw.test.fakelookups import lookups
from inetdtw.test.fakes import openDescriptors, openedSince

ECHO = "stream tcp nowait - internal echo"


class FilesCase(SynchronousTestCase):
    """A test with configuration files."""

    def setUp(self) -> None:
        """Make a directory."""
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.directory, name)

    def write(self, name: str, text: str | bytes) -> str:
        """Make a file, and its directories."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    def load(self, *names: str) -> Configuration:
        """Read files."""
        return load(map(self.path, names), Settings(), lookups())

    def assertServes(self, found: Configuration, *ports: int) -> None:
        """Assert that these ports are served, without an error."""
        self.assertEqual(found.problems, ())
        self.assertEqual([each.address.port for each in found.services], [*ports])

    def assertProblem(
        self, found: Configuration, location: str, field: str, reason: str, *ports: int
    ) -> None:
        """Assert that there is one error, and these ports are served."""
        (problem,) = found.problems
        self.assertIsInstance(problem, ConfError)
        self.assertEqual(str(problem.location), self.path(location))
        self.assertEqual(problem.field, field)
        self.assertIn(reason, problem.reason)
        self.assertEqual([each.address.port for each in found.services], [*ports])


class ReadTests(FilesCase):
    """Tests for L{read}."""

    def test_text(self) -> None:
        """A file is decoded as UTF-8, and its line ends are kept."""
        path = self.write("a", "caf\u00e9\r\n")
        self.assertEqual(read(path), "caf\u00e9\r\n")

    def test_mark(self) -> None:
        """A byte order mark is not part of the text."""
        self.assertEqual(read(self.write("a", b"\xef\xbb\xbf# a")), "# a")

    def test_device(self) -> None:
        """Only the null device can be read, also by a link."""
        os.symlink(os.devnull, self.path("a"))
        for path in (os.devnull, self.path("a")):
            self.assertEqual(read(path), "")
        ours, theirs = os.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        for path in ("/dev/zero", "/dev/tty", os.ttyname(theirs)):
            problem = self.assertRaises(OSError, read, path)
            reason = "is a character device, not a regular file"
            self.assertEqual(problem.strerror, reason)

    def test_bytes(self) -> None:
        """Bytes that are not UTF-8, and NUL characters, are kept."""
        path = self.write("a", b"\xef\xbb\xbf# K\xfcche \xc3\xbc\n\0")
        self.assertEqual(read(path), "# K\udcfcche \xfc\n\0")

    def test_binary(self) -> None:
        """A file with many NUL characters is not text."""
        path = self.write("a", "7 stream tcp\n".encode("utf-16") * 20)
        problem = self.assertRaises(OSError, read, path)
        reason = "has 260 NUL characters: it must be text in UTF-8"
        self.assertEqual(problem.strerror, reason)
        for data in (b"\0" * 100, (b"\0" + b"x" * 20) * 200):
            self.assertEqual(read(self.write("a", data)), data.decode())

    def test_missing(self) -> None:
        """A missing file is an error."""
        problem = self.assertRaises(OSError, read, self.path("a"))
        self.assertEqual(problem.errno, errno.ENOENT)

    def test_noFile(self) -> None:
        """A directory and a FIFO cannot be read, and do not block."""
        os.mkfifo(self.path("fifo"))
        for path, what in ((self.directory, "directory"), (self.path("fifo"), "FIFO")):
            problem = self.assertRaises(OSError, read, path)
            self.assertEqual(problem.strerror, f"is a {what}, not a regular file")

    def test_descriptors(self) -> None:
        """No descriptor is leaked, with or without an error."""
        self.write("good", "a")
        self.write("bad", b"\xff")
        before = openDescriptors()
        for name in ("good", "bad", "missing", "."):
            with contextlib.suppress(OSError):
                read(self.path(name))
            self.assertEqual(openedSince(before), {}, name)


class LoadTests(FilesCase):
    """Tests for L{load}."""

    def test_nothing(self) -> None:
        """A configuration of no files has no service."""
        self.assertEqual(self.load(), Configuration())

    def test_several(self) -> None:
        """The lines of all files count, in the order of the files."""
        self.write("a", f"7 {ECHO}\n")
        self.write("b", f"8 {ECHO}\n6 {ECHO}\n")
        self.assertServes(self.load("b", "a"), 8, 6, 7)

    def test_badLines(self) -> None:
        """Lines with errors are dropped (items 3 and 14)."""
        self.write("a", f"6 {ECHO}\n7 stream\nnone {ECHO}\n8 {ECHO}\n9 on a=b;")
        found = self.load("a")
        self.assertEqual([each.address.port for each in found.services], [6, 8])
        self.assertEqual(
            [(each.location.line, each.field) for each in found.problems],
            [(2, "protocol"), (3, "service"), (5, "a")],
        )

    def test_off(self) -> None:
        """A service that is off is not served, but its errors count (item 28)."""
        keys = "protocol=tcp, args=echo"
        self.write("a", f"6 off {keys};\n7 on {keys};\nnone off {keys};\n")
        self.assertProblem(self.load("a"), "a:3:1", "service", "not in services(5)", 7)

    def test_unreadable(self) -> None:
        """A file that cannot be read is a problem, and other files are served."""
        self.write("b", f"7 {ECHO}\n")
        reason = "cannot be read: No such file or directory"
        self.assertProblem(self.load("a", "b"), "a:1:1", "file", reason, 7)

    def test_notText(self) -> None:
        """
        Bytes that are not UTF-8 draw a warning, and NUL is an error.

        In comments both are ignored.
        """
        line = b"9 on protocol = tcp, wait = no, user = -, exec = /bin/true,\n"
        self.write(
            "a",
            b"# x \0\n# caf\xe9\n7 stream tcp nowait - /bin/true a\xe9 b\xfc\n"
            + b" # \xfc\n"
            + line
            + b"args = \xff 'a\xfe', # \xfd\nenv = \"A=\\xff\";\n"
            + b"10 stream tcp nowait - /bin/true \0 \0\n",
        )
        self.write("b", f"8 {ECHO}\n")
        found = self.load("a", "b")
        self.assertProblem(found, "a:8:34", "line", "must not have a NUL", 7, 9, 8)
        program = found.services[0].program
        assert program is not None
        self.assertEqual(program.argv, ("a\udce9", "b\udcfc"))
        self.assertEqual(
            [(each.location.line, each.location.column) for each in found.warnings],
            [(3, 34), (6, 8)],
        )
        self.assertIn("byte 0xe9 is not UTF-8", found.warnings[0].reason)

    def test_directory(self) -> None:
        """A directory is read in the order of names, without backup files."""
        for port, name in enumerate(
            ("b", "a.conf", "c", ".hidden", "d~", "e.dpkg-old", "f.bak", "g.conf~"), 1
        ):
            self.write(f"d/{name}", f"{port} {ECHO}\n")
        self.assertServes(self.load("d"), 2, 1, 3)

    def test_directoryInside(self) -> None:
        """A directory within a directory is an error."""
        self.write("d/a", f"7 {ECHO}\n")
        os.mkdir(self.path("d/b"))
        reason = f"'{self.path('d/b')}' is a directory, not a regular file"
        self.assertProblem(self.load("d"), "d/b:1:1", "file", reason, 7)

    def test_directoryUnreadable(self) -> None:
        """A directory that cannot be listed is an error; other files are served."""
        self.write("a", f"7 {ECHO}\n")
        os.mkdir(self.path("d"))
        why = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self.patch(os, "listdir", mock.Mock(side_effect=why))
        reason = "cannot be read: Permission denied"
        self.assertProblem(self.load("d", "a"), "d:1:1", "file", reason, 7)

    def test_duplicates(self) -> None:
        """Of two lines for one socket in two files the first is served (item 25)."""
        self.write("a", f"7 {ECHO}\n7 dgram udp wait - internal echo\n")
        self.write("b", f"\n7 stream tcp nowait - /bin/cat cat\n8 {ECHO}\n")
        found = self.load("a", "b")
        self.assertServes(found, 7, 7, 8)
        self.assertEqual(found.services[0].internal, "echo")
        (warning,) = found.warnings
        self.assertEqual(str(warning.location), self.path("b:2:1"))
        self.assertIn(f"already served by {self.path('a:1:1')}", warning.reason)
        self.assertIn("other inetds serve the last", warning.reason)

    def test_warnings(self) -> None:
        """A line that draws a warning is served (item 11)."""
        self.write("a", "7 stream tcp nowait - /bin/sh sh # x\n")
        found = self.load("a")
        self.assertServes(found, 7)
        self.assertEqual([each.field for each in found.warnings], ["args"])

    def test_missingProgram(self) -> None:
        """A service with a missing program is served, with a warning."""
        self.write("a", "7 stream tcp nowait - ./missing x\n")
        found = self.load("a")
        self.assertServes(found, 7)
        (warning,) = found.warnings
        self.assertEqual((warning.location.column, warning.field), (23, "exec"))
        self.assertIn(self.path("missing"), warning.reason)


class IncludeTests(FilesCase):
    """Tests for C{.include}."""

    def test_pattern(self) -> None:
        """A pattern is relative to its file; matches are sorted (item 26)."""
        self.write("a", f'6 {ECHO}\n.include "d/*.conf"\n9 {ECHO}\n')
        self.write("d/y.conf", f"8 {ECHO}\n")
        self.write("d/x.conf", f"7 {ECHO}\n.include more/z\n")
        self.write("d/more/z", f"77 {ECHO}\n")
        self.write("d/other", f"1 {ECHO}\n")
        self.assertServes(self.load("a"), 6, 7, 77, 8, 9)

    def test_absolute(self) -> None:
        """A pattern may be absolute (item 26)."""
        path = self.write("x", f"7 {ECHO}\n")
        self.write("d/a", f'.include "{path}"\n')
        self.assertServes(self.load("d/a"), 7)

    def test_workingDirectory(self) -> None:
        """A pattern in a relative path is relative to the same directory."""
        self.write("a", ".include x\n")
        self.write("x", f"7 {ECHO}\n")
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        found = load(["a"], Settings(), lookups())
        self.assertServes(found, 7)
        self.assertEqual(str(found.services[0].location), "x:1:1")

    def test_magicDirectory(self) -> None:
        """The directory of the file is not part of the pattern."""
        self.write("d[1]/a", ".include *.conf\n.include y\n")
        self.write("d[1]/x.conf", f"7 {ECHO}\n")
        self.write("d[1]/y", f"8 {ECHO}\n")
        self.write("d1/x.conf", f"9 {ECHO}\n")
        self.assertServes(self.load("d[1]/a"), 7, 8)

    def test_nothingFound(self) -> None:
        """A pattern without a match is not an error."""
        self.write("a", f".include *.conf\n7 {ECHO}\n")
        self.assertServes(self.load("a"), 7)

    def test_missing(self) -> None:
        """A file that is missing, or the directory of a pattern, is an error."""
        for pattern, missing in (
            ("missing", "missing"),
            ("d/*.conf", "d/"),
            ("d/*/x", "d/"),
            (self.path("d/*.conf"), "d/"),
        ):
            self.write("a", f"\n.include {pattern}\n7 {ECHO}\n")
            found = self.load("a")
            self.assertProblem(found, "a:2:10", ".include", "No such file", 7)
            self.assertIn(repr(self.path(missing)), found.problems[0].reason)

    def test_circular(self) -> None:
        """A file that includes itself, by any path, is an error (item 26)."""
        self.write("a", f"6 {ECHO}\n.include b\n9 {ECHO}\n")
        self.write("b", f"7 {ECHO}\n.include c\n8 {ECHO}\n")
        os.symlink("a", self.path("c"))
        found = self.load("a")
        self.assertProblem(found, "b:2:10", ".include", "includes itself", 6, 7, 8, 9)

    def test_itself(self) -> None:
        """A pattern that finds its own file is a problem (item 26)."""
        self.write("a", f".include *\n7 {ECHO}\n")
        self.assertProblem(self.load("a"), "a:1:10", ".include", "includes itself", 7)

    def test_twice(self) -> None:
        """A file may be included twice, which is not circular."""
        self.write("a", "127.0.0.1:\n.include x\n127.0.0.2:\n.include x\n")
        self.write("x", f"7 {ECHO}\n")
        found = self.load("a")
        self.assertServes(found, 7, 7)
        hosts = [each.address.host for each in found.services]
        self.assertEqual(hosts, ["127.0.0.1", "127.0.0.2"])

    def test_address(self) -> None:
        """A default address is inherited by included files only (item 26)."""
        self.write("a", f"127.0.0.1:\n.include x\n9 {ECHO}\n")
        self.write("x", f"7 {ECHO}\n127.0.0.2:\n8 {ECHO}\n")
        addresses = [str(each.address) for each in self.load("a").services]
        wanted = ["127.0.0.1:7", "127.0.0.2:8", "127.0.0.1:9"]
        self.assertEqual(addresses, wanted)


class StatementsTests(SynchronousTestCase):
    """Tests for L{fromStatements}."""

    def test_text(self) -> None:
        """A configuration can be a string, which includes no files."""
        text = f"7 {ECHO}\n8 stream\n.include /etc/passwd\n"
        found = fromStatements(parse(text), Settings(), lookups())
        self.assertEqual([each.address.port for each in found.services], [7])
        self.assertEqual([each.location.line for each in found.problems], [2])


class TooMuchTests(FilesCase):
    """Tests for the maximum sizes of configurations."""

    def _problem(self, text: str) -> str:
        """Return the last error of a file."""
        self.write("a", text)
        return str(self.load("a").problems[-1])

    def test_errors(self) -> None:
        """A file has at most 1000 errors."""
        last = self._problem("x\n" * 100000)
        self.assertIn(":1001:1: file: more than 1000 errors", last)

    def test_statements(self) -> None:
        """A file has a maximum number of statements."""
        last = self._problem("a on;\n" * (STATEMENTS + 1))
        self.assertIn(":1001:1: file: more than 1000 errors", last)
        found = list(parse("a on;\n" * (STATEMENTS + 5)))
        self.assertEqual(len(found), STATEMENTS + 1)
        self.assertIn("more than 65536 statements", str(found[-1]))

    def test_counts(self) -> None:
        """Words, addresses and sockets have a maximum number, in either form."""
        self.patch(loader, "SOCKETS", 10)
        words = "a statement may have at most 10000"
        for text, reason in (
            (f"7 {ECHO} " + "x " * WORDS, words),
            (f"7 {ECHO}" + "\n x" * WORDS, words),
            ("7 on args = " + "x " * WORDS + ";", words),
            (
                "127.0.0.1," * 32 + f"::7 {ECHO}",
                "too many addresses: a line may have at most 32",
            ),
            (
                f"0 {ECHO}\n" * 20,
                ":11:1: service: too many sockets: at most 10 are supported",
            ),
        ):
            self.assertIn(reason, self._problem(text))

    def test_large(self) -> None:
        """A file over the maximum size is an error, also one without an end."""
        self.patch(loader, "LARGEST", 1 << 20)
        self.assertIn("larger than 1 MB", self._problem("#" * ((1 << 20) + 1)))
        (problem,) = load(["/dev/zero"], Settings(), lookups()).problems
        self.assertIn("'/dev/zero' is a character device", problem.reason)

    def test_deep(self) -> None:
        """Included files have a maximum depth and a maximum number."""
        self.patch(loader, "FILES", 300)
        for number in range(40):
            self.write(str(number), f".include {number + 1}\n" * 2)
        reasons = {each.reason for each in self.load("0").problems}
        self.assertIn("too deep: at most 32 levels are supported", reasons)
        self.assertIn("too many files: at most 300 are supported", reasons)

    def test_warnings(self) -> None:
        """A configuration has at most 1000 warnings."""
        self.write("a", f"7 {ECHO}\n" * 2000)
        self.assertEqual(len(self.load("a").warnings), 1000)
