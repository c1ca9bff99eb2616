# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for C{docs/guide/conformance.rst}: what inetds do, and the tests for it."""

from __future__ import annotations

import os
import re

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from tests.support import checkout

_PAGE = os.path.join(checkout.ORIGINAL, "docs", "guide", "conformance.rst")
#: The first line of an item: its number, if it has one.
_ITEM = re.compile(r"   \* - (\d*)")
_TEST = re.compile(r"``((?:tests|inetdtw(?:\.\w+)*\.test)(?:\.\w+)+\.test_\w+)``")
#: The items of the page; it names the missing ones.
NUMBERS = [*range(1, 91), 96, 97, 100]


def items() -> list[tuple[int | None, str]]:
    """Return the items of the page, each with its number and its text."""
    with open(_PAGE, encoding="utf-8") as page:
        text = page.read()
    parts = _ITEM.split(text)[1:]
    numbers, texts = parts[::2], parts[1::2]
    return [(int(n) if n else None, each) for n, each in zip(numbers, texts)]


def isThere(name: str) -> bool:
    """Return whether a test of this name exists."""
    try:
        return callable(namedAny(name))
    except (AttributeError, ModuleNotFoundError):
        return False


class PageTests(SynchronousTestCase):
    """Tests for the table."""

    def test_numbers(self) -> None:
        """Every item occurs once, in order."""
        numbers = [number for number, _ in items() if number is not None]
        self.assertEqual(numbers, NUMBERS)

    def test_tests(self) -> None:
        """Every item names tests that show it, and these exist."""
        for number, text in items():
            if "Shown by" in text:
                continue
            names = _TEST.findall(text)
            self.assertTrue(names, f"{number}: {text}")
            self.assertEqual([name for name in names if not isThere(name)], [])
