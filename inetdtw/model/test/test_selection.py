# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.selection}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.selection import LISTED, AmbiguousService, findService
from inetdtw.model.state import ServiceState

NAMES = {
    "smtp/tcp": "0.0.0.0:25",
    "7/tcp": "127.0.0.1:7",
    "7/udp": "127.0.0.1:7",
    "talk": "[::1]:517",
    "127.0.0.1:80/tcp": "127.0.0.1:80",
}
STATES = [
    (ServiceState(name, where, ""), name.upper()) for name, where in NAMES.items()
]


class FindServiceTests(SynchronousTestCase):
    """Tests for L{findService}."""

    def error(self, word: str) -> str:
        """Return the error for a word."""
        return str(self.assertRaises(AmbiguousService, findService, word, STATES))

    def test_names(self) -> None:
        """A service matches its name, with or without protocol, and its address."""
        for word, found in {
            "smtp/tcp": "SMTP/TCP",
            "smtp": "SMTP/TCP",
            "0.0.0.0:25": "SMTP/TCP",
            "7/udp": "7/UDP",
            "talk": "TALK",
            "[::1]:517": "TALK",
            "127.0.0.1:7/udp": "7/UDP",
            "127.0.0.1:80": "127.0.0.1:80/TCP",
        }.items():
            self.assertEqual(findService(word, STATES), found)

    def test_ambiguous(self) -> None:
        """If several services match, the error lists them."""
        for word in ("7", "127.0.0.1:7"):
            self.assertEqual(self.error(word), f"'{word}' is ambiguous (7/tcp, 7/udp)")

    def test_unknown(self) -> None:
        """
        For an unknown word, the message lists the services.

        Control characters in the word are escaped.
        """
        names = ", ".join(NAMES)
        self.assertEqual(self.error("x"), f"'x' is not a service ({names})")
        self.assertIn("'\\x1b[2J'", self.error("\x1b[2J"))
        self.assertIn("''", self.error(""))

    def test_many(self) -> None:
        """At most 20 names are listed."""
        many = [(ServiceState(f"{n}/tcp", "", ""), n) for n in range(1000)]
        why = str(self.assertRaises(AmbiguousService, findService, "x", many))
        self.assertTrue(why.endswith(f"19/tcp and {1000 - LISTED} more)"), why)
