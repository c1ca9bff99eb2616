# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.keys}."""

from __future__ import annotations

import os
import pty
import termios

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli.keys import (
    DOWN,
    END,
    HOME,
    PAGE_DOWN,
    PAGE_UP,
    QUIT,
    UP,
    Keyboard,
)

PATIENCE = 20.0


class KeyboardTests(SynchronousTestCase):
    """Tests for L{Keyboard}."""

    def setUp(self) -> None:
        """Open a terminal."""
        self.ours, self.theirs = pty.openpty()
        self.addCleanup(os.close, self.theirs)
        self.addCleanup(self.hangUp)
        self.usual = termios.tcgetattr(self.theirs)
        self.keyboard = Keyboard(self.theirs)
        self.keyboard.start()

    def hangUp(self) -> None:
        """Close the terminal's other end, unless that was done."""
        if self.ours >= 0:
            os.close(self.ours)
            self.ours = -1

    def pressed(self, data: bytes) -> list[str]:
        """Return the keys in what a terminal sends."""
        os.write(self.ours, data)
        return self.keyboard.wait(PATIENCE)

    def test_keys(self) -> None:
        """Characters and the sequences of terminals are keys."""
        for key, texts in {
            UP: (b"k", b"\x1b[A", b"\x1bOA"),
            DOWN: (b"j", b"\x1b[B", b"\x1bOB"),
            PAGE_UP: (b"b", b"\x1b[5~"),
            PAGE_DOWN: (b" ", b"\x1b[6~"),
            HOME: (b"g", b"\x1b[H", b"\x1bOH", b"\x1b[1~"),
            END: (b"G", b"\x1b[F", b"\x1bOF", b"\x1b[4~"),
            QUIT: (b"q", b"Q"),
        }.items():
            for text in texts:
                self.assertEqual(self.pressed(text), [key], text)

    def test_ignored(self) -> None:
        """Other characters and sequences are ignored."""
        self.assertEqual(self.pressed(b"xAHF\x1b[15~\x1bx\xc3\xa4j"), [DOWN])

    def test_split(self) -> None:
        """A sequence may arrive in parts."""
        self.assertEqual(self.pressed(b"j\x1b["), [DOWN])
        self.assertEqual(self.pressed(b"5"), [])
        self.assertEqual(self.pressed(b"~\x1b"), [PAGE_UP])
        self.assertEqual(self.pressed(b"[A"), [UP])

    def test_mode(self) -> None:
        """Keys are not echoed; the mode is restored, also after two starts."""
        flags = termios.tcgetattr(self.theirs)[3]
        self.assertFalse(flags & (termios.ECHO | termios.ICANON))
        self.assertTrue(flags & termios.ISIG)
        self.keyboard.start()
        self.keyboard.stop()
        self.assertEqual(termios.tcgetattr(self.theirs), self.usual)
        self.keyboard.stop()

    def test_timeout(self) -> None:
        """Without keys it waits for the timeout only."""
        self.assertEqual(self.keyboard.wait(0.0), [])
        self.assertEqual(self.keyboard.wait(-1.0), [])

    def test_gone(self) -> None:
        """A terminal that has gone ends it."""
        self.hangUp()
        self.assertEqual(self.keyboard.wait(PATIENCE), [QUIT])
        self.keyboard.stop()

    def test_noTerminal(self) -> None:
        """A file has no keys, even if it can be read."""
        with open(os.devnull) as null:
            keyboard = Keyboard(null.fileno())
            keyboard.start()
            self.assertEqual(keyboard.wait(0.01), [])
            keyboard.stop()
