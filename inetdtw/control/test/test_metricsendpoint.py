# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.metricsendpoint}."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError

from inetdtw.control.metricsendpoint import RETRY, MetricsEndpoint, hostNameIn
from inetdtw.control.test.test_http import Echoing
from inetdtw.system.descriptors import Descriptors
from inetdtw.system.hostnames import HostNames
from inetdtw.test.fakelookups import familyOf
from inetdtw.test.fakes import ServingTestCase


class MetricsEndpointTests(ServingTestCase):
    """Tests for L{MetricsEndpoint}."""

    def make(self, description: str) -> MetricsEndpoint:
        """Return an endpoint of a description."""
        return MetricsEndpoint(
            *(Echoing().respond, description, self.runtime.report),
            *(self.reactor, Descriptors()),
        )

    def test_listens(self) -> None:
        """The endpoint listens until it is stopped."""
        made = self.make("tcp:9100:interface=127.0.0.1")
        self.assertEqual(self.reactor.tcpServers, [])
        made.startService()
        ((port, found, _, interface),) = self.reactor.tcpServers
        site: Any = found
        self.assertEqual((port, interface), (9100, "127.0.0.1"))
        self.assertIsNotNone(site.buildProtocol(None))
        (event,) = self.logged("control")
        self.assertEqual(event["address"], "tcp:9100:interface=127.0.0.1")
        made.stopService()

    def test_wrong(self) -> None:
        """A description that is not an endpoint is rejected at once."""
        for text in ("", "9100", "tcp", "tcp:x", "tcp:1:nix=1", "nix:1"):
            why = self.assertRaises(ValueError, self.make, text)
            self.assertIn(f"'{text}' is not an endpoint", str(why))

    def test_unusable(self) -> None:
        """A description whose files or libraries are missing is rejected at once."""
        text = "ssl:9100:privateKey=/no/such/key.pem"
        why = self.assertRaises(ValueError, self.make, text)
        self.assertIn(f"'{text}' is not an endpoint: ", str(why))

    def test_taken(self) -> None:
        """If the port is in use, listening is retried until the stop."""
        real = self.reactor.listenTCP

        def fail(*given: Any, **more: Any) -> Any:
            raise CannotListenError("127.0.0.1", 9100, OSError(98, "in use"))

        self.reactor.listenTCP = fail  # type: ignore[method-assign] # for a while
        made = self.make("tcp:9100")
        made.startService()
        self.assertIn("in use", self.logged("control-failed")[-1]["reason"])
        self.reactor.listenTCP = real  # type: ignore[method-assign] # as it was
        self.reactor.advance(RETRY)
        self.assertEqual(len(self.reactor.tcpServers), 1)
        made.stopService()
        self.reactor.listenTCP = fail  # type: ignore[method-assign] # once more
        made.startService()
        made.stopService()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_hostName(self) -> None:
        """A host name is looked up without blocking."""
        threads: list[Any] = []
        found: list[str] = []

        def look(*given: Any, **more: Any) -> list[Any]:
            if not found:
                raise OSError(11, "no DNS")
            return [(familyOf(host), 1, 6, "", (host, 0)) for host in found]

        for protocol, host in (("tcp6", "::1"), ("tcp", "127.0.0.1")):
            self.reactor.tcpServers.clear()
            made = self.make(f"{protocol}:9100:interface=it.example")
            names = HostNames(
                made._names._answered, getaddrinfo=look, start=threads.append
            )
            self.patch(made, "_names", names)
            made.startService()
            threads.pop()()
            self.reactor.turn()
            self.assertEqual(self.reactor.tcpServers, [])
            reason = "host name look-up: no DNS"
            self.assertEqual(self.logged("control-failed")[-1]["reason"], reason)
            found[:] = ["127.0.0.1", "::1"]
            self.reactor.advance(RETRY)
            threads.pop()()
            self.reactor.turn()
            ((_, _, _, interface),) = self.reactor.tcpServers
            self.assertEqual(interface, host)
            found.clear()
            made.stopService()

    def test_hostNames(self) -> None:
        """Numeric hosts are passed to Twisted."""
        for text in ("tcp:1", "tcp:1:interface=127.0.0.1", "tcp6:1:interface=\\:\\:1"):
            self.assertIsNone(hostNameIn(text), text)
        self.assertIsNone(hostNameIn("tcp:1:interface=1.2.3.4.5"))
