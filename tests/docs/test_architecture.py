# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The page C{docs/architecture.rst} names what exists."""

from __future__ import annotations

import os
import pkgutil
import re

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

import inetdtw
from tests.support import world


class ArchitectureTests(SynchronousTestCase):
    """Tests for the names of the page."""

    def setUp(self) -> None:
        """Read the page."""
        path = os.path.join(world.checkout(), "docs", "architecture.rst")
        with open(path, encoding="utf-8") as file:
            self.text = file.read()

    def test_names(self) -> None:
        """Each dotted name is that of a module, or of something in a module."""
        names = re.findall(r"``((?:inetdtw|tests)\.[\w.]+)``", self.text)
        self.assertGreater(len(names), 20)
        for name in names:
            namedAny(name)

    def test_packages(self) -> None:
        """The table has each subpackage, and nothing that does not exist."""
        rows = set(re.findall(r"^``(\w+)`` {2}", self.text, re.MULTILINE))
        found = list(pkgutil.iter_modules(inetdtw.__path__))
        packages = {module.name for module in found if module.ispkg} - {"test"}
        self.assertEqual(packages - rows, set())
        self.assertEqual(rows - {module.name for module in found}, set())
