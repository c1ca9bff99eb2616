# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.connection}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.connection import (
    connectionEnvironment,
    packPeer,
    pairs,
    plain,
    unpackPeer,
)


class PeerTests(SynchronousTestCase):
    """Tests for L{packPeer} and L{unpackPeer}."""

    def test_peers(self) -> None:
        """
        An address that was packed is the same again.

        IPv4 is never written as IPv6, and the interface of an IPv6 address is left out.
        """
        for given, wanted in (
            (("127.0.0.1", 7), ("127.0.0.1", 7)),
            (("2001:db8::1", 65535, 0, 0), ("2001:db8::1", 65535)),
            (("::1", 0, 0, 0), ("::1", 0)),
            (("::ffff:10.0.0.1", 7, 0, 0), ("10.0.0.1", 7)),
            (("fe80::1%lo", 7, 0, 1), ("fe80::1", 7)),
            ("", None),
        ):
            self.assertEqual(unpackPeer(*packPeer(given)), wanted)


class PlainTests(SynchronousTestCase):
    """Tests for L{plain}."""

    def test_mapped(self) -> None:
        """IPv4 mapped into IPv6 is IPv4 (item 44)."""
        self.assertEqual(plain("::ffff:192.0.2.1"), "192.0.2.1")

    def test_others(self) -> None:
        """Any other address is itself (item 44)."""
        for host in (
            *("192.0.2.1", "::1", "2001:db8::1", "fe80::1%eth0", "::192.0.2.1"),
            *("::ffff:0:1", "::ffff:0:192.0.2.1", "64:ff9b::192.0.2.1", ""),
        ):
            self.assertEqual(plain(host), host)


class ConnectionTests(SynchronousTestCase):
    """Tests for L{connectionEnvironment}."""

    def test_version4(self) -> None:
        """The addresses are given in both dialects (items 43 and 44)."""
        self.assertEqual(
            connectionEnvironment(("192.0.2.1", 7), ("192.0.2.2", 40000)),
            {
                "PROTO": "TCP",
                "TCPLOCALIP": "192.0.2.1",
                "TCPLOCALPORT": "7",
                "TCPREMOTEIP": "192.0.2.2",
                "TCPREMOTEPORT": "40000",
                "REMOTE_ADDR": "192.0.2.2",
                "REMOTE_PORT": "40000",
            },
        )

    def test_version6(self) -> None:
        """IPv6 addresses are given without brackets (items 43 and 44)."""
        found = connectionEnvironment(
            ("2001:db8::1", 7, 0, 0), ("2001:db8::2", 40000, 0, 0)
        )
        self.assertEqual(found["PROTO"], "TCP")
        self.assertEqual(found["TCPLOCALIP"], "2001:db8::1")
        self.assertEqual(found["TCPREMOTEIP"], "2001:db8::2")
        self.assertEqual(found["REMOTE_ADDR"], "2001:db8::2")
        self.assertEqual(found["REMOTE_PORT"], "40000")

    def test_mapped(self) -> None:
        """An IPv4 client of an IPv6 socket has an IPv4 address (item 44)."""
        found = connectionEnvironment(
            ("::ffff:192.0.2.1", 7, 0, 0), ("::ffff:192.0.2.2", 40000, 0, 0)
        )
        for name in ("TCPREMOTEIP", "REMOTE_ADDR"):
            self.assertEqual(found[name], "192.0.2.2")
        self.assertEqual(found["TCPLOCALIP"], "192.0.2.1")

    def test_noNames(self) -> None:
        """A client's name is not given, because it was not verified (item 45)."""
        found = connectionEnvironment(("192.0.2.1", 7), ("192.0.2.2", 40000))
        self.assertEqual([name for name in found if "HOST" in name], [])
        self.assertEqual([name for name in found if "INFO" in name], [])

    def test_unix(self) -> None:
        """A connection of a UNIX socket has no addresses."""
        for peer in ("", "/tmp/client", b"\0x", None):
            self.assertEqual(connectionEnvironment("/run/s", peer), {"PROTO": "UNIX"})
        self.assertEqual(connectionEnvironment(("h", 1), ""), {"PROTO": "UNIX"})


class PairsTests(SynchronousTestCase):
    """Tests for L{pairs}."""

    def test_pairs(self) -> None:
        """A variable is divided at the first equals sign; empty strings are skipped."""
        self.assertEqual(
            pairs([b"A=1", b"", b"B==", b"C"]), {b"A": b"1", b"B": b"=", b"C": b""}
        )
        self.assertEqual(pairs(b"".split(b"\0")), {})
