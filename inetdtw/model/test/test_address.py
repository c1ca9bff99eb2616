# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.address}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log.test.lines import PEER
from inetdtw.model.address import peerText, prefixText


class PeerTests(SynchronousTestCase):
    """Tests for L{peerText}."""

    def test_addresses(self) -> None:
        """An IPv6 address is in brackets; mapped IPv4 is IPv4 (item 44)."""
        for peer, wanted in (
            (PEER, "192.0.2.1:40000"),
            (("2001:db8::1", 40000, 0, 0), "[2001:db8::1]:40000"),
            (("::ffff:192.0.2.1", 40000, 0, 0), "192.0.2.1:40000"),
        ):
            self.assertEqual(peerText(peer), wanted)

    def test_noAddress(self) -> None:
        """A missing address is a dash."""
        for peer in (None, "", "/tmp/a b", b""):
            self.assertEqual(peerText(peer), "-")


class PrefixTests(SynchronousTestCase):
    """Tests for L{prefixText}."""

    def test_addresses(self) -> None:
        """The first 24 bits of IPv4, mapped or not, and 48 of IPv6, are shown."""
        for host, wanted in (
            ("192.0.2.200", "192.0.2.0/24"),
            ("::ffff:192.0.2.200", "192.0.2.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
            ("::1", "::/48"),
            ("fe80::1%eth0", "fe80::/48"),
        ):
            self.assertEqual(prefixText((host, 40000)), wanted)

    def test_noAddress(self) -> None:
        """A missing address is a dash."""
        for peer in (None, "", "/tmp/a b", b""):
            self.assertEqual(prefixText(peer), "-")
