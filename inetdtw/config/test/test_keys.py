# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.keys}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.keys import KEYS
from inetdtw.model.errors import ConfError
from inetdtw.test.configcase import EXAMPLES, entryOf

#: The keys of NetBSD's inetd.conf(5).
NETBSD = {
    *("bind", "socktype", "accept_max", "acceptfilter", "protocol", "sndbuf"),
    *("recvbuf", "wait", "service_max", "ip_max", "user", "group", "exec", "args"),
    "ipsec",
}


class KeyTests(SynchronousTestCase):
    """Tests for the declarations of the keys."""

    def test_netbsd(self) -> None:
        """Every key of NetBSD exists."""
        self.assertEqual(NETBSD - set(KEYS), set())

    def test_examples(self) -> None:
        """Every key takes an example, and its type reads what it writes."""
        self.assertEqual(list(EXAMPLES), list(KEYS))
        for key, example in EXAMPLES.items():
            words = tuple(example.replace('"', "").split())
            value = entryOf((key, words)).get(key)
            self.assertEqual(value, KEYS[key].read(words), key)
            self.assertEqual(KEYS[key].read(KEYS[key].write(value)), value, key)


class KeyTypeTests(SynchronousTestCase):
    """Tests for the types that are keys' own."""

    def refusal(self, key: str, *value: str) -> str:
        """Return the reason why a value is refused."""
        return str(self.assertRaises(ConfError, entryOf, (key, value)).reason)

    def test_protocols(self) -> None:
        """The names of all protocols are accepted (item 23)."""
        suffixes = ("", "4", "6", "46", "6only")
        names = [base + suffix for base in ("tcp", "udp") for suffix in suffixes]
        for name in (*names, "unix"):
            self.assertEqual(entryOf(("protocol", (name,))).get("protocol"), name)

    def test_faith(self) -> None:
        """The error for a faith protocol says that it no longer exists (item 30)."""
        for protocol in ("tcp6/faith", "faith/tcp6"):
            self.assertIn(
                "faith(4) no longer exists", self.refusal("protocol", protocol)
            )

    def test_rpc(self) -> None:
        """An RPC protocol is refused with a message that names RPC."""
        for protocol in ("rpc/tcp", "rpc/udp6"):
            self.assertIn("RPC registration", self.refusal("protocol", protocol))

    def test_unknownProtocol(self) -> None:
        """The error for an unknown protocol lists all protocols."""
        reason = self.refusal("protocol", "sctp")
        self.assertTrue(
            reason.startswith("'sctp' is not a protocol (tcp, tcp4, "), reason
        )

    def test_ipsec(self) -> None:
        """Only an empty IPsec policy is accepted."""
        self.assertEqual(entryOf(("ipsec", ("",))).get("ipsec"), ("",))
        self.assertIn("IPsec", self.refusal("ipsec", "in ipsec esp/transport//require"))

    def test_id(self) -> None:
        """A service's name in the log is one word."""
        self.assertEqual(entryOf(("id", ("lower",))).get("id"), "lower")
        self.assertIn("whitespace", self.refusal("id", "two words"))
        self.assertIn("unprintable", self.refusal("id", "two\nlines"))

    def test_paths(self) -> None:
        """The directories of a program's context are absolute."""
        self.assertEqual(entryOf(("directory", ("~",))).get("directory"), "~")
        self.assertEqual(entryOf(("directory", ("/srv",))).get("directory"), "/srv")
        self.assertIn("absolute", self.refusal("directory", "srv"))
        self.assertIn("absolute", self.refusal("chroot", "~"))

    def test_empty(self) -> None:
        """An empty list of addresses or groups is an error."""
        for value in ((), ("",), ("127.0.0.1", "")):
            self.assertIn("* is every address", self.refusal("bind", *value))
            self.assertIn("no is only the primary", self.refusal("groups", *value))
        self.assertEqual(entryOf(("bind", ("*", "::1"))).get("bind"), ("*", "::1"))

    def test_maxChild(self) -> None:
        """A count goes up to 32767, and 0 is none (item 16)."""
        for key in (
            *("accept_max", "service_max", "ip_max", "per_source"),
            "answer_max",
        ):
            self.assertEqual(entryOf((key, ("0",))).get(key), 0)
            self.assertEqual(entryOf((key, ("32767",))).get(key), 32767)
            self.assertIn("from 0 to 32767", self.refusal(key, "32768"))

    def test_otherNumbers(self) -> None:
        """Other numbers go as far as the system's do."""
        for key, good, bad in (
            *(("backlog", 0, -1), ("backlog", 65536, 65537)),
            *(("nice", -20, -21), ("nice", 19, 20)),
        ):
            self.assertEqual(entryOf((key, (str(good),))).get(key), good)
            self.assertIn("is not a number from", self.refusal(key, str(bad)))
