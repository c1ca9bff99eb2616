# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The stop list: paraphrases for which the field has a term."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support import checkout

#: What the product, its tests and its pages never say, and what to say instead.
STOPS = {
    r"cannot be had": "is not available",
    r"goes with": "needs, cannot be combined with",
    r"whoever|whomever": "the process that, the daemon's user",
    r"somebody|anybody|everybody": "another process, all users",
    # Not the account, as in "user = nobody".
    r"nobody(?= [a-z])": "no process, no client",
    r"she|hers?|herself": "the user, the account",
    r"folders?": "directory",
    r"mistakes?": "error",
    r"(?<!there )is no (?!longer)": "is not a",
}

_PLACES = (
    *("inetdtw", "twisted", "docs", "share", "examples", "etc", "contrib", "changes"),
    *("tests", "benchmarks", ".ci", "noxfile.py", "CHANGELOG"),
    *("README.rst", "CONTRIBUTING.rst", "SECURITY.rst"),
)


def texts() -> Iterator[Path]:
    """Yield the files of the product, its tests and its pages."""
    for place in _PLACES:
        root = Path(checkout.path(), place)
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            parts = path.relative_to(checkout.path()).parts
            hidden = {"__pycache__", ".cache", "results"}.intersection(parts)
            named = path.suffix != ".svg" and path.name != Path(__file__).name
            if path.is_file() and not hidden and named:
                yield path


class StopListTests(SynchronousTestCase):
    """Tests for the words of the product and its pages."""

    def test_stops(self) -> None:
        """No text has a word of the stop list when the field has a term for it."""
        pattern = re.compile(rf"\b(?:{'|'.join(STOPS)})\b", re.IGNORECASE)
        found = []
        for path in texts():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            for number, line in enumerate(lines, 1):
                where = f"{os.path.relpath(path, checkout.path())}:{number}"
                found += [f"{where}: {match[0]}" for match in pattern.finditer(line)]
        self.assertEqual(found, [], "\n".join(["", *found]))
