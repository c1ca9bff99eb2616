# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.keyvalue}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.errors import ConfError, Location
from inetdtw.test.configcase import entryOf


class EntryFromTests(SynchronousTestCase):
    """Tests for L{inetdtw.config.keyvalue.buildEntry}."""

    def assertProblem(
        self, column: int, field: str, reason: str, *said: tuple[str, tuple[str, ...]]
    ) -> None:
        """Assert that these assignments are refused."""
        problem = self.assertRaises(ConfError, entryOf, *said)
        self.assertEqual(problem.location, Location("inetd.conf", 4, column))
        self.assertEqual((problem.field, problem.reason), (field, reason))

    def test_unknownKey(self) -> None:
        """A key that does not exist is an error at its name (item 29)."""
        said = [("user", ("-",)), ("usr", ("-",))]
        reason = "unknown key; did you mean user?"
        self.assertProblem(200, "usr", reason, *said)

    def test_fieldThatIsNoKey(self) -> None:
        """An attribute of an entry that is not a key is an unknown key."""
        for name in ("service", "enabled", "locations", ""):
            problem = self.assertRaises(ConfError, entryOf, (name, ("x",)))
            self.assertEqual((problem.field, problem.location.column), (name, 100))

    def test_keyTwice(self) -> None:
        """A key that is given twice is an error at the second name (item 29)."""
        said = [("user", ("-",)), ("user", ("-",))]
        self.assertProblem(200, "user", "is given twice; it takes one value", *said)

    def test_tooManyValues(self) -> None:
        """Two values for a key that takes one are an error (item 29)."""
        reason = "takes one value, not 2"
        self.assertProblem(110, "user", reason, ("user", ("a", "b")))

    def test_noValue(self) -> None:
        """A missing value is an error at the key's name."""
        self.assertProblem(100, "user", "takes one value, not 0", ("user", ()))

    def test_badValue(self) -> None:
        """A value of another type is an error at the value."""
        reason = "'maybe' is not yes or no"
        self.assertProblem(110, "wait", reason, ("wait", ("maybe",)))
