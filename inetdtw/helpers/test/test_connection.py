# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.connection}, and for delegated listening sockets."""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.connection import (
    connectionEnvironment,
    packPeer,
    pairs,
    plain,
    unpackPeer,
)
from inetdtw.interfaces import ExitStatus, IDelegatingLauncher, LaunchRequest
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds, Service
from inetdtw.serve.stream import IDLE, StreamListener
from inetdtw.test.fakes import (
    PATIENCE,
    FakeLauncher,
    ServingTestCase,
    listening,
    makeService,
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
            (("::", 0, 0, 0), ("::", 0)),
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


@implementer(IDelegatingLauncher)
class AcceptingLauncher(FakeLauncher):
    """A launcher that accepts by itself."""

    def delegate(self, watcher: Any, request: LaunchRequest) -> int:
        """Remember it."""
        self.request = request
        self.said.append("delegate")
        return 9

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Remember it."""
        self.said.append(f"withdraw {number}")
        self.free = free


class StreamListenerTests(ServingTestCase):
    """Tests for L{StreamListener} with a launcher that accepts by itself."""

    def serve(self, service: Service) -> None:
        """Serve a service."""
        self.accepting = AcceptingLauncher()
        verifyObject(IDelegatingLauncher, self.accepting)
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        given = self.serviceRuntime(
            service, self.limits, self.accepting, lambda: self.listener.released()
        )
        self.listener: StreamListener = StreamListener(given, self.server)
        self.listener.start()

    def test_delegates(self) -> None:
        """
        A service without limits is delegated, and withdrawn once.

        Its socket is free when the launcher does not accept any more.
        """
        self.serve(makeService())
        self.assertEqual(self.accepting.request.fds[0], self.server.fileno())
        self.listener.retire(lambda: self.accepting.said.append("retired"))
        self.listener.stop()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.accepting.free()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9", "retired"])

    def test_oneOfMany(self) -> None:
        """
        One service of many is delegated when it has had a client.

        So idle services have no descriptor in the launcher.
        """
        for number in range(IDLE):
            self.runtime.budget.addDelegation(lambda number=number: None)  # type: ignore[misc]
        self.serve(makeService())
        self.assertEqual(self.accepting.said, [])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(self.accepting.said, [])
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.said, ["delegate"])
        self.assertEqual(self.reactor.getReaders(), [])

    def test_bounded(self) -> None:
        """A service with a bound is not."""
        self.serve(makeService(bounds=Bounds(ipMax=5)))
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.said, [])

    def test_counts(self) -> None:
        """A program that the launcher starts counts until it has ended."""
        self.serve(makeService())
        child = self.listener.accepted(("127.0.0.1", 7))
        child.started(77)
        self.assertEqual(self.limits.running, 1)
        child.ended(ExitStatus(0))
        self.assertEqual(self.limits.running, 0)

    def test_crowded(self) -> None:
        """
        The daemon accepts when too many programs run.

        The service is delegated again when one has ended and the launcher does not
        accept any more.
        """
        self.serve(makeService())
        child = self.listener.accepted(("127.0.0.1", 7))
        child.started(77)
        self.listener.crowded()
        self.listener.crowded()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.accepting.programs), 1)
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.accepting.free()
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9", "delegate"])
        self.assertEqual(self.listener.held(), [])
        self.assertEqual(self.reactor.getReaders(), [])

    def test_recalled(self) -> None:
        """The daemon accepts when another service waits for the global limit."""
        self.serve(makeService())
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.listener.stop()
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])

    def test_notAmple(self) -> None:
        """A service is not delegated when the limit on all programs is near."""
        self.runtime.budget.most, self.runtime.budget.running = 100, 51
        self.serve(makeService())
        self.assertEqual(self.accepting.said, [])

    def test_dropped(self) -> None:
        """When the launcher cannot, connections come to the daemon."""
        self.serve(makeService())
        self.listener.dropped(("127.0.0.1", 7), "why")
        self.listener.dropped(None, "why")
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.accepting.programs), 1)

    def test_droppedUnix(self) -> None:
        """
        A client without an address that was dropped is logged and counted.

        The service is not delegated again.
        """
        self.serve(makeService())
        child = self.listener.accepted("")
        child.started(77)
        self.listener.dropped("", "why")
        (event,) = self.said("start-failed")
        self.assertEqual(event["peer"], "-")
        self.assertEqual(self.runtime.tallies[makeService().name].failed, 1)
        self.accepting.free()
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
