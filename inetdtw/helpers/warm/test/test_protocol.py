# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.protocol}."""

from __future__ import annotations

import os
import posix

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm.protocol import MISFIT, log, native, refuse, version
from inetdtw.helpers.warm.test.cases import ExitedError, exitWith


class ProtocolTests(SynchronousTestCase):
    """
    Tests for the version and the log.

    @ivar written: what was written to which descriptor.
    """

    def setUp(self) -> None:
        """Note what is written."""
        super().setUp()
        self.written: list[tuple[int, bytes]] = []
        self.patch(posix, "write", lambda *given: self.written.append(given))

    def test_version(self) -> None:
        """The version of a text is its remainder by a prime number."""
        prime = 2**64 - 59
        self.assertEqual(version(prime.to_bytes(8, "little")), 0)
        self.assertEqual(version((prime - 1).to_bytes(8, "little")), prime - 1)
        self.assertEqual(version((prime + 2).to_bytes(9, "little")), 2)

    def test_log(self) -> None:
        """A line for the log has no other line in it, and any characters."""
        log("a\nä\udc80")
        self.assertEqual(self.written, [(2, b"a \xc3\xa4\\udc80\n")])

    def test_refuse(self) -> None:
        """The process exits with a status of its own when it refuses something."""
        self.patch(posix, "_exit", exitWith)
        gone = self.assertRaises(ExitedError, refuse, "unknown x")
        self.assertEqual(gone.args, (MISFIT,))
        line = b"the daemon is of another version: unknown x\n"
        self.assertEqual(self.written, [(2, line)])

    def test_native(self) -> None:
        """An argument is decoded as by the interpreter, whatever its bytes are."""
        self.assertEqual(native(b"a\xff"), os.fsdecode(b"a\xff"))
