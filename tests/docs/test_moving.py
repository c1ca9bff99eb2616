# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The page on moving: C{--check} says of each line what the page's table says."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tests.support import checkout
from tests.support.serving import ServingTestCase, inetd, run

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE = os.path.join(checkout.path(), "docs", "guide", "migrating.rst")
_LITERAL = re.compile(r"``(.+?)``(?!`)")


class TableTests(ServingTestCase):
    """Tests for the table of what is found in the field."""

    def rows(self) -> Iterator[tuple[list[str], str]]:
        """Yield the lines of each row that has some, and what is said about them."""
        with open(_PAGE, encoding="utf-8") as file:
            table = file.read().partition(".. list-table:: Lines found in use\n")[2]
        table = re.split(r"\n\n(?=\S)", table)[0]
        for row in table.split("\n   * - ")[2:]:
            written, _, said = row.partition("\n     - ")
            lines = _LITERAL.findall(written)
            if lines:
                yield lines, said

    def test_rows(self) -> None:
        """The first literal is in the output; for nothing there are no messages."""
        count = 0
        for lines, said in self.rows():
            file = self.write("inetd.conf", "\n".join([*lines, ""]))
            output = run(inetd("--check", file)).stdout
            if said.startswith("Nothing"):
                self.assertIn(" 0 errors, 0 warnings", output, lines)
            else:
                found = _LITERAL.match(said)
                assert found is not None, said
                self.assertIn(found[1], output, lines)
            count += 1
        self.assertGreater(count, 20)
