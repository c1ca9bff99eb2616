# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The guide's table of log events is the daemon's."""

from __future__ import annotations

import os
import re

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log.events import LEVELS, TABLE
from tests.support import checkout

_ROW = re.compile(
    r"   \* - ``([a-z-]+)``\n     - (\w+)\n     - ((?:.*\n(?!   \*|\n))*.*\n)"
)


class EventTests(SynchronousTestCase):
    """Tests for docs/guide/logging.rst."""

    def test_table(self) -> None:
        """Each event is documented, with its lowest level and its fields in order."""
        with open(
            os.path.join(checkout.ORIGINAL, "docs", "guide", "logging.rst")
        ) as file:
            rows = _ROW.findall(file.read())
        documented = {
            name: (level, re.findall(r"``([a-z]+)``(?: \([^)]*\))?", text))
            for name, level, text in rows
        }
        self.assertEqual(list(documented), list(dict.fromkeys(e.name for e in TABLE)))
        for event in reversed(TABLE):
            level, words = documented[event.name]
            levels = ("always", *LEVELS)
            if event.name != "exit":
                self.assertEqual(level, levels[event.level + 1], event.name)
            fields = [word for word in words if word in event.fields]
            self.assertEqual(
                list(dict.fromkeys(fields)), list(event.fields), event.name
            )
