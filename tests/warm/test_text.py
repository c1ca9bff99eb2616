# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the text that a warm process runs."""

from __future__ import annotations

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm import BOOT, source
from tests.support.interpreters import pythons

#: Compiles what it reads.
COMPILE = "import sys; compile(sys.stdin.buffer.read(), 'inetdtw', 'exec')"


class TextTests(SynchronousTestCase):
    """Tests for L{source} and L{BOOT}."""

    def test_compiles(self) -> None:
        """All interpreters from 3.7 on compile the text without a warning."""
        found = pythons()
        self.assertTrue(found)
        for path in found.values():
            for text in (source(), BOOT.encode()):
                subprocess.run(
                    [path, "-I", "-S", "-W", "error", "-c", COMPILE],
                    input=text,
                    check=True,
                )
