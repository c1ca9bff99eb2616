# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.source}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.service import Bounds
from inetdtw.model.source import hostOf, sourceOf

USUAL = Bounds().sourcePrefix


class HostOfTests(SynchronousTestCase):
    """Tests for L{hostOf}."""

    def test_hosts(self) -> None:
        """A host has no port; a client of a UNIX socket has no host."""
        self.assertEqual(hostOf(("192.0.2.1", 4)), "192.0.2.1")
        self.assertEqual(hostOf(("::ffff:192.0.2.1", 4, 0, 0)), "192.0.2.1")
        self.assertEqual(hostOf(("2001:db8::1", 4, 0, 0)), "2001:db8::1")
        for peer in (None, "", "/tmp/client", ("/tmp/client",)):
            self.assertEqual(hostOf(peer), "")

    def test_links(self) -> None:
        """The same link-local address on two links is two hosts."""
        self.assertEqual(hostOf(("fe80::1", 4, 0, 2)), "fe80::1%2")
        self.assertEqual(hostOf(("fe80::1%eth0", 4, 0, 2)), "fe80::1%eth0")
        self.assertEqual(hostOf(("fe80::1%eth0", 4)), "fe80::1%eth0")


class SourceOfTests(SynchronousTestCase):
    """Tests for L{sourceOf}."""

    def test_usual(self) -> None:
        """By default one address of IPv4 and a /64 of IPv6 count as one source."""
        self.assertEqual(USUAL, (32, 64))
        for host, wanted in (
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
            ("::1", "::/64"),
            ("", ""),
        ):
            self.assertEqual(sourceOf(host, USUAL), wanted)

    def test_links(self) -> None:
        """The prefix of a link-local address counts separately on each link."""
        self.assertEqual(sourceOf("fe80::1%eth0", USUAL), "fe80::%eth0/64")
        self.assertEqual(sourceOf("fe80::2%3", USUAL), "fe80::%3/64")
        self.assertEqual(sourceOf("fe80::2%3", (32, 128)), "fe80::2%3")

    def test_lengths(self) -> None:
        """Any length is supported, also one that is not a multiple of 8."""
        self.assertEqual(sourceOf("192.0.2.255", (25, 64)), "192.0.2.128/25")
        self.assertEqual(sourceOf("192.0.2.255", (1, 1)), "128.0.0.0/1")
        self.assertEqual(sourceOf("2001:db8:ff::1", (1, 41)), "2001:db8:80::/41")
        self.assertEqual(sourceOf("2001:db8::1", (32, 128)), "2001:db8::1")

    def test_noAddress(self) -> None:
        """A string that is not an address stays as it is."""
        self.assertEqual(sourceOf("client", (24, 64)), "client")
