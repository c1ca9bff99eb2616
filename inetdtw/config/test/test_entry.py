# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.entry}."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.keys import KEYS
from inetdtw.config.keyvalue import buildEntry
from inetdtw.model.errors import Location, Word
from inetdtw.test.configcase import entryOf

HERE = Location("etc/inetd.conf", 3, 5)


class EntryTests(SynchronousTestCase):
    """Tests for L{inetdtw.config.entry.Entry}."""

    def test_nothingSaid(self) -> None:
        """A key that is not given is C{None}."""
        entry = entryOf()
        self.assertEqual(entry.service, "7")
        self.assertTrue(entry.enabled)
        self.assertEqual({entry.get(name) for name in KEYS}, {None})

    def test_where(self) -> None:
        """A key is located by its value, its name, or else its definition."""
        entry = entryOf(("args", ("cat", "-u")), ("ipsec", ()))
        self.assertEqual(entry.where("args").column, 110)
        self.assertEqual(entry.where("ipsec").column, 200)
        self.assertEqual(entry.where("user"), Location("inetd.conf", 4, 1))

    def test_places(self) -> None:
        """Entries with the same values in different locations are equal."""
        one = buildEntry(Word("7", HERE), True, [])
        self.assertEqual(one, entryOf())
        self.assertEqual(hash(one), hash(entryOf()))
        self.assertNotEqual(one, buildEntry(Word("7", HERE), False, []))
        self.assertNotEqual(one, entryOf(("nice", ("1",))))

    def test_frozen(self) -> None:
        """An entry cannot be changed."""
        with self.assertRaises(FrozenInstanceError):
            entryOf().service = "8"  # type: ignore[misc] # it is the test
