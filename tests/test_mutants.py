# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The mutation run of L{tests.mutants}, in short."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from tests.mutants.__main__ import CHECKOUT, equivalents, sample
from tests.mutants.areas import AREAS
from tests.mutants.mutations import fileOf, mutantsOf
from tests.support import checkout

_SOURCE = b'''
"""\xc3\xbc"""
LIMIT = 1


class Door:
    """
    A door.
    """

    def open(self, count: int = 0) -> bool:
        """
        Open it.
        """
        self.tried = True
        if self.locked and not count < 3:
            raise ValueError("\xc3\xbc" + f"{count + 1}")
        bell()
        return count + 1 > LIMIT
'''


class MutationsTests(TestCase):
    """Which changes are made."""

    def test_kinds(self) -> None:
        """
        Conditions, operators, constants, statements and results are changed.

        Strings, annotations and module-level code are not.
        """
        found = [str(each) for each in mutantsOf("door", _SOURCE)]
        self.assertEqual(
            sorted(each.removeprefix("door:Door.open: ") for each in found),
            sorted(
                (
                    "self.tried = True -> pass",
                    "True -> (False)",
                    "self.locked and not count < 3 -> (not (self.locked and "
                    "(not count < 3)))",
                    "self.locked and not count < 3 -> (self.locked or not count < 3)",
                    "not count < 3 -> (count < 3)",
                    "count < 3 -> (count <= 3)",
                    "3 -> (4)",
                    'raise ValueError("ü" + f"{count + 1}") -> pass',
                    "bell() -> pass",
                    "return count + 1 > LIMIT -> return None",
                    "count + 1 > LIMIT -> (count + 1 >= LIMIT)",
                    "count + 1 -> (count - 1)",
                    "1 -> (2)",
                )
            ),
        )

    def test_applied(self) -> None:
        """A change replaces one place, behind characters of several bytes as well."""
        for mutant in mutantsOf("door", _SOURCE):
            changed = mutant.apply(_SOURCE)
            compile(changed, "door.py", "exec")
            self.assertNotEqual(changed, _SOURCE)
            self.assertEqual(
                len(changed) - len(_SOURCE),
                len(mutant.after.encode()) - len(mutant.before.encode()),
            )


class SampleTests(TestCase):
    """The sample of places that are changed."""

    def test_sample(self) -> None:
        """The same seed gives the same mutants of the same code."""
        self.assertEqual(sample(AREAS, 20, 1), sample(AREAS, 20, 1))
        self.assertNotEqual(sample(AREAS, 20, 1), sample(AREAS, 20, 2))

    def test_equivalents(self) -> None:
        """Each mutant that is left out is one that the code has."""
        made = {
            str(mutant)
            for module in AREAS
            for mutant in mutantsOf(module, (CHECKOUT / fileOf(module)).read_bytes())
        }
        self.assertEqual(equivalents() - made, set())

    def test_areas(self) -> None:
        """Each module is there, and so is each test that looks at it."""
        for module, areas in AREAS.items():
            paths = [
                fileOf(module),
                *(f"tests/{each.replace('.', '/test_')}.py" for each in areas),
            ]
            for path in paths:
                self.assertTrue(os.path.exists(f"{checkout.path()}/{path}"), path)
