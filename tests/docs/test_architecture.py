# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The page C{docs/architecture.rst} names what exists."""

from __future__ import annotations

import os
import re

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers import reports, requests
from inetdtw.test.test_layers import MAY_IMPORT
from tests.support import checkout


class ArchitectureTests(SynchronousTestCase):
    """Tests for the names of the page."""

    def setUp(self) -> None:
        """Read the page."""
        path = os.path.join(checkout.path(), "docs", "architecture.rst")
        with open(path, encoding="utf-8") as file:
            self.text = file.read()

    def test_names(self) -> None:
        """Each dotted name is that of a module, or of something in a module."""
        names = re.findall(r"``((?:inetdtw|tests)\.[\w.]+)``", self.text)
        self.assertGreater(len(names), 20)
        for name in names:
            namedAny(name)

    def test_packages(self) -> None:
        """The table has each package when it is read in the order of imports."""
        rows = re.findall(r"^``(\w+)`` {2}", self.text, re.MULTILINE)
        layers = [name for name in MAY_IMPORT if not name.startswith("_")]
        self.assertEqual(rows, [*layers, "cli"])

    def test_packets(self) -> None:
        """The diagrams name requests and reports that helper processes exchange."""
        names = set(re.findall(r" -> [^:\n]+: ([A-Z]{2,})\b", self.text))
        self.assertIn("STARTED", names)
        known = {*dir(requests), *dir(reports)}
        self.assertEqual(names - known, set())
