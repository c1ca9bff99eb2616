# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.errors}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.errors import ConfError, Location

HERE = Location("etc/inetd.conf", 3, 5)


class LocationTests(SynchronousTestCase):
    """Tests for locations and errors."""

    def test_place(self) -> None:
        """A location is written as compilers write it."""
        self.assertEqual(str(HERE), "etc/inetd.conf:3:5")

    def test_after(self) -> None:
        """A later location is on the same line."""
        self.assertEqual(HERE.after(2), Location("etc/inetd.conf", 3, 7))

    def test_error(self) -> None:
        """An error is written as its location, its field and its reason."""
        error = ConfError(HERE, "user", "is empty")
        self.assertEqual(str(error), "etc/inetd.conf:3:5: user: is empty")

    def test_oneLine(self) -> None:
        """An error is one line, as control characters are escaped."""
        error = ConfError(HERE, "a\nb", "'\u00e9 \x1b[m\0\udcff\r' is wrong")
        wanted = "etc/inetd.conf:3:5: a\\nb: '\u00e9 \\x1b[m\\x00\\xff\\r' is wrong"
        self.assertEqual(str(error), wanted)
