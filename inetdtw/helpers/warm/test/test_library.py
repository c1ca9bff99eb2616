# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.library}."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm.library import StandardLibrary


class StandardLibraryTests(SynchronousTestCase):
    """Tests for L{StandardLibrary}."""

    def test_library(self) -> None:
        """The standard library is distinguished from installed and own modules."""
        import json

        import twisted

        library = StandardLibrary()
        self.assertTrue(library.has(json))
        self.assertTrue(library.has(sys))
        self.assertFalse(library.has(twisted))
        own: Any = type(sys)("own")
        own.__path__ = []
        self.assertFalse(library.has(own))
        own.__file__ = 5
        self.assertFalse(library.has(own))
        directory = os.path.dirname(os.__file__)
        (archive,) = (each for each in sys.path if each.endswith(".zip"))
        for path, within in (
            (f"{directory}/", True),
            (f"{archive}/", True),
            ("/x/site-packages/", True),
            ("/x/dist-packages/y/", True),
            ("/x/", False),
        ):
            self.assertIs(library.isWithin(path), within)
        own.__file__ = "/x/site-packages/own.py"
        self.assertEqual([library.has(own), library.has(own, True)], [False, True])
