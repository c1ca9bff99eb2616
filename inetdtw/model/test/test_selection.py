# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.selection}."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.selection import (
    LISTED,
    AmbiguousService,
    findService,
    namesOf,
    select,
)
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


class NamesTests(SynchronousTestCase):
    """Tests for L{namesOf} and L{select}."""

    def selected(self, word: str, *services: Sequence[str]) -> list[str]:
        """Return the names of the services that a word refers to."""
        return select(word, ((namesOf(*each), each[0]) for each in services))

    def test_everyName(self) -> None:
        """A service is found by each name that a file, the log or status has."""
        for (name, address, kind), words in {
            ("ftp/tcp", "0.0.0.0:21", "stream nowait"): (
                *("ftp", "ftp/tcp", "ftp/tcp4", "21", "21/tcp", "0.0.0.0:21", "'ftp'"),
                *("0.0.0.0:ftp", "0.0.0.0:ftp/tcp", '"ftp/tcp"', "ftp/tcp@0.0.0.0"),
            ),
            ("daytime/tcp#2", "[::]:13", "stream nowait"): (
                *("daytime/tcp#2", "daytime/tcp6", "daytime", "13/tcp6", "[::]:13"),
                *("daytime/tcp", "daytime/tcp46", "daytime/tcp6only", "[::]:13/tcp"),
            ),
            ("127.0.0.2:time/tcp", "127.0.0.2:37", "stream nowait"): (
                *("127.0.0.2:time/tcp", "127.0.0.2:time", "time", "time/tcp", "37/tcp"),
                *("127.0.0.2:37", "time/tcp4@127.0.0.2", "37/tcp@127.0.0.2"),
            ),
            ("mine", "[::1]:517", "dgram wait"): (
                *("mine", "517", "517/udp", "517/udp6", "[::1]:517", "mine/udp"),
            ),
            ("/run/s/unix", "/run/s", "stream nowait"): (
                *("/run/s", "/run/s/unix", "'/run/s'", ":root:mail:0660:/run/s"),
            ),
            ("tcpmux/x", "tcpmux/x", "stream nowait"): (
                "tcpmux/x",
                "x",
                "tcpmux/x/tcp",
            ),
        }.items():
            for word in words:
                found = self.selected(word, (name, address, kind))
                self.assertEqual(found, [name], word)

    def test_others(self) -> None:
        """A name of something else refers to nothing."""
        ftp = ("ftp/tcp", "0.0.0.0:21", "stream nowait")
        for word in (
            "",
            "ftp/udp",
            "ftp/tcp6",
            "1",
            "0.0.0.0",
            "tcp",
            "[::]:21",
            "f'tp",
        ):
            self.assertEqual(self.selected(word, ftp), [], word)
        for word in ("tcpmux", "tcpmux/", "tcp"):
            found = self.selected(word, ("tcpmux/x", "tcpmux/x", "stream nowait"))
            self.assertEqual(found, [], word)

    def test_precedence(self) -> None:
        """The name in the log has precedence over what others are called too."""
        both = (
            ("daytime/tcp", "0.0.0.0:13", "stream nowait"),
            ("daytime/tcp#2", "[::]:13", "stream nowait"),
        )
        self.assertEqual(self.selected("daytime/tcp", *both), ["daytime/tcp"])
        self.assertEqual(self.selected("daytime/tcp6", *both), ["daytime/tcp#2"])
        self.assertEqual(len(self.selected("daytime", *both)), 2)

    def test_further(self) -> None:
        """The words of the file are names as well."""
        names = namesOf("mine", "127.0.0.1:21", "stream", ["ftp"], ["localhost"])
        for word in (
            "ftp",
            "ftp/tcp",
            "localhost:ftp",
            "localhost:21",
            "127.0.0.1:ftp",
        ):
            self.assertIn(word, names)
