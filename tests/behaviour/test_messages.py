# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for what the C{inetd} command prints when it does not serve."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from inetdtw import __version__
from tests.support.daemon import (
    DEADLINE,
    environment,
)
from tests.support.serving import inetd, run

if TYPE_CHECKING:
    from collections.abc import Iterator
from tests.support.command import CommandTestCase


class WordsTests(CommandTestCase):
    """Tests for what the command prints when it does not serve."""

    def test_help(self) -> None:
        """C{--help} prints every option, and exits with 0."""
        done = run(inetd("--help"))
        self.assertEqual(done.returncode, 0)
        self.assertIn("Usage: inetd [options] [FILE or DIRECTORY]...", done.stdout)
        for option in "fedqRpl":
            self.assertIn(f"\n  -{option}, --", done.stdout)
        self.assertIn("-i", done.stdout)

    def test_version(self) -> None:
        """C{--version} prints the version and exits with 0."""
        done = run(inetd("--version"))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, f"inetd (inetdtw) {__version__}\n")

    def assertRefused(self, *arguments: str) -> str:
        """
        Check that a command line is rejected in two short lines.

        @return: the output.
        """
        done = run(inetd(*arguments))
        self.assertEqual(done.returncode, 2, arguments)
        self.assertTrue(done.stderr.startswith("inetd: "), done.stderr)
        self.assertIn("Try 'inetd --help'", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 2, done.stderr)
        return done.stderr

    def test_unknownOption(self) -> None:
        """An unknown option is named, with a pointer to C{--help}."""
        self.assertIn("nosuchoption", self.assertRefused("--nosuchoption", self.conf))
        self.assertIn("Z", self.assertRefused("-Z", self.conf))

    def test_badValues(self) -> None:
        """A value that is not a number, or out of range, is rejected."""
        for option in ("-q", "-R"):
            for value in ("x", "-1", "99999999"):
                output = self.assertRefused("-f", option, value, self.conf)
                self.assertIn(f"{option} takes a number", output)
                self.assertIn(value, output)
        self.assertIn("--launch", self.assertRefused("--launch", "rocket", self.conf))

    def printed(self, *arguments: str, to: str | int) -> tuple[int, str]:
        """
        Run a command with another standard output.

        @param to: a redirection of the shell, or a descriptor.
        @return: its exit status, and its standard error.
        """
        redirected = f'exec "$@" >{to}' if isinstance(to, str) else 'exec "$@"'
        done = subprocess.run(
            ["/bin/sh", "-c", redirected, "sh", *inetd(*arguments)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=to if isinstance(to, int) else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stderr

    def printing(self) -> Iterator[tuple[str, ...]]:
        """Return command lines that print something, and succeed."""
        yield ("--version",)
        yield "--check", self.conf
        yield "--explain", f"{self.port}/tcp", self.conf
        yield ("--help",)
        yield "status", "--help"
        yield "status", "--version"

    def test_full(self) -> None:
        """The command exits with 1, with a message, when its output fails."""
        wanted = "inetd: write error: No space left on device\n"
        for arguments in self.printing():
            found = self.printed(*arguments, to="/dev/full")
            self.assertEqual(found, (1, wanted), arguments)
        self.assertWithoutAWord("/dev/full 2>&1")

    if not os.path.exists("/dev/full"):
        test_full.skip = "/dev/full is missing"  # type: ignore[attr-defined]

    def test_unread(self) -> None:
        """The command exits with 1, without a message, when its output is not read."""
        unread, end = os.pipe()
        os.close(unread)
        self.addCleanup(os.close, end)
        for arguments in self.printing():
            self.assertEqual(self.printed(*arguments, to=end), (1, ""), arguments)

    def test_noOutput(self) -> None:
        """The command succeeds when its standard output is closed."""
        for arguments in self.printing():
            self.assertEqual(self.printed(*arguments, to="&-"), (0, ""), arguments)
        self.assertWithoutAWord("&- 2>&-")

    def assertWithoutAWord(self, to: str) -> None:
        """Check that errors that cannot be printed leave the exit status as it is."""
        for arguments in (("status", "--control", self.path("none")), ("--nosuch",)):
            self.assertEqual(self.printed(*arguments, to=to), (2, ""), arguments)

    def test_behindTheFile(self) -> None:
        """An option after the file is an option."""
        done = run(inetd(self.conf, "--check"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("0 errors", done.stdout)
        done = run(inetd(self.conf, "--help"))
        self.assertEqual((done.returncode, done.stdout[:6]), (0, "Usage:"))

    def test_stderrOfADaemon(self) -> None:
        """C{-e} without C{-f} is rejected: a daemon has no standard error."""
        self.assertIn("-e needs -f", self.assertRefused("-e", self.conf))
