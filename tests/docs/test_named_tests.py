# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{SECURITY.rst} and the tables of faults name tests that exist."""

from __future__ import annotations

import os
import re
from types import ModuleType

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from tests.support import checkout

_TEST = re.compile(r"``((?:inetdtw(?:\.\w+)*\.test|tests)\.\w+(?:\.\w+)*)``")


def _read(name: str) -> str:
    """Return the text of a page of this checkout."""
    path = os.path.join(checkout.path(), name)
    with open(path, encoding="utf-8") as file:
        return file.read()


class ClaimsTests(SynchronousTestCase):
    """Pages that name tests."""

    def _tests(self, text: str) -> list[str]:
        """Return the tests that a text names; fail if one does not exist."""
        names = _TEST.findall(text)
        for name in names:
            found = namedAny(name)
            self.assertTrue(callable(found) or isinstance(found, ModuleType), name)
        return list(names)

    def test_security(self) -> None:
        """Every part of what is defended names a test that is there."""
        text = _read("SECURITY.rst")
        self.assertGreater(len(self._tests(text)), 15)
        defended = text.partition("What is defended")[2].partition("What is not")[0]
        parts = re.split(r"\n(?=[A-Z][^\n]*\n    \S)", defended)[1:]
        self.assertGreater(len(parts), 6)
        for part in parts:
            self.assertNotEqual(self._tests(part), [], part)

    def test_faults(self) -> None:
        """
        Every row of every table of faults names an existing test.

        It may name the long run that shows it instead, or have the test of the row
        above.
        """
        text = _read("docs/guide/faults.rst")
        rows = re.split(r"\n   \* - ", text)[1:]
        self.assertGreater(len(rows), 20)
        for row in rows:
            # The head of a table names none, and what takes long is a command.
            if "\n     - Test" in row:
                continue
            if re.search(
                r"\n     - (the same|``python -m tests\.soak [^`]*``)\s*(\n\n|$)", row
            ):
                continue
            self.assertNotEqual(self._tests(row), [], row)
