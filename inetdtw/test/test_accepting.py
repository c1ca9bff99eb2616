# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw._accepting}, and for listening sockets that are left to fork
servers.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Any, Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted.trial.unittest import SynchronousTestCase

from inetdtw._accepting import Acceptor, packAddress, unpackAddress
from inetdtw._packets import (
    ACCEPT,
    ACCEPTED,
    ADDRESSED,
    DROPPED,
    HELLO,
    NAME,
    REPEATS_SHIFT,
    WITHDRAWN,
    decode,
)
from inetdtw.forkserver import ForkServers
from inetdtw.helper import POST_PAUSE, Delegation
from inetdtw.interfaces import Exit, IAccepting, IAcceptingLauncher, Order
from inetdtw.limits import Limits
from inetdtw.nowait import StreamPrograms
from inetdtw.report import Report
from inetdtw.service import Bounds, Context, Service
from inetdtw.test.fakes import (
    PATIENCE,
    FakeLauncher,
    FakeReactor,
    ServingTestCase,
    listening,
    makeService,
)
from inetdtw.test.test_helper import HelperTestCase


class AddressTests(SynchronousTestCase):
    """
    Tests for L{packAddress} and L{unpackAddress}.
    """

    def test_addresses(self) -> None:
        """
        An address that was packed is the same again; IPv4 is never written as IPv6,
        and an interface of IPv6 is left out.
        """
        same = [("127.0.0.1", 7), ("2001:db8::1", 65535), ("::", 0)]
        for peer in same:
            record = packAddress(ADDRESSED, peer)
            assert record is not None
            self.assertEqual(record[0], ADDRESSED)
            self.assertEqual(unpackAddress(record), peer)
        for given, plain in (
            (("::ffff:10.0.0.1", 7, 0, 0), ("10.0.0.1", 7)),
            (("fe80::1%lo", 7, 0, 1), ("fe80::1", 7)),
        ):
            record = packAddress(ADDRESSED, given)
            assert record is not None
            self.assertEqual(unpackAddress(record), plain)

    def test_unix(self) -> None:
        """
        A client of a UNIX socket has no address.
        """
        self.assertIsNone(packAddress(ADDRESSED, ""))


class AcceptorTests(SynchronousTestCase):
    """
    Tests for L{Acceptor}.
    """

    def setUp(self) -> None:
        """
        Have an acceptor for a socket.
        """
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.server.setblocking(False)
        shared = {b"A": b"b", b"REMOTE_PORT": b"stale"}
        self.acceptor = Acceptor(3, os.dup(self.server.fileno()), (b"", [], shared))
        self.addCleanup(self.acceptor.socket.close)

    def test_accept(self) -> None:
        """
        A connection is blocking, and comes with the environment of its program.
        """
        with socket.create_connection(self.server.getsockname()) as client:
            here = client.getsockname()
            connection, peer, environment = self.acceptor.accept()
            with connection:
                self.assertTrue(connection.getblocking())
        self.assertEqual(peer, here)
        self.assertEqual(environment[b"A"], b"b")
        self.assertEqual(environment[b"REMOTE_PORT"], b"%d" % here[1])
        self.assertEqual(
            environment[b"TCPLOCALPORT"], b"%d" % self.server.getsockname()[1]
        )

    def test_none(self) -> None:
        """
        That there is no connection is said at once.
        """
        self.assertRaises(BlockingIOError, self.acceptor.accept)

    def test_vanished(self) -> None:
        """
        A client that is gone by now is an error of its own.
        """
        client = socket.create_connection(self.server.getsockname())
        linger = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        self.assertRaises(OSError, self.acceptor.accept)


@implementer(IAccepting)
class Watcher:
    """
    Remembers what it is told.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []

    def accepted(self, peer: Any) -> Watcher:
        """
        A program was started.
        """
        self.told.append(("accepted", peer))
        return self

    def dropped(self, peer: Any, reason: str) -> None:
        """
        No more are.
        """
        self.told.append(("dropped", peer, reason))

    def started(self, pid: int) -> None:
        """
        The program runs.
        """
        self.told.append(("started", pid))

    def ended(self, how: Exit) -> None:
        """
        The program has ended.
        """
        self.told.append(("ended", how.status))


class DelegationTests(HelperTestCase):
    """
    Tests for L{inetdtw.helper.Helper} that leaves a socket to its helper.
    """

    def setUp(self) -> None:
        """
        Leave a socket to the helper.
        """
        super().setUp()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.watcher = Watcher()
        verifyObject(IAccepting, self.watcher)
        delegation = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(5, delegation)

    def taken(self) -> int:
        """
        The number of the delegation that the helper finds in its socket.
        """
        packet, ancillary, _, _ = self.played.channel.recvmsg(100, 100)
        head = struct.unpack_from("=II", packet)
        self.assertEqual(head[1], ACCEPT << REPEATS_SHIFT)
        self.assertEqual(packet[12:], b"shared")
        (fd,) = struct.unpack("i", ancillary[0][2])
        with socket.socket(fileno=fd) as given:
            self.assertEqual(given.getsockname(), self.server.getsockname())
        number: int = NAME.unpack_from(packet, 8)[0]
        return number

    def say(self, *reports: tuple[int, int, int, int]) -> None:
        """
        Have the helper say something.
        """
        self.played.say(*reports)
        self.reactor.settle()

    def test_accepted(self) -> None:
        """
        A program that the helper has started is told from its start to its end, with
        the client's address.
        """
        self.assertEqual(self.taken(), 5)
        record = packAddress(ADDRESSED, ("10.0.0.1", 9))
        assert record is not None
        self.played.channel.send(record)
        self.say((ACCEPTED, 5, 77, 0))
        self.say((4, 5, 77, 256))
        self.assertEqual(
            self.watcher.told,
            [("accepted", ("10.0.0.1", 9)), ("started", 77), ("ended", 1)],
        )

    def test_dropped(self) -> None:
        """
        What goes wrong is said, with the folder if that is what is wrong.
        """
        self.say((DROPPED, 5, 0, 2), (DROPPED, 5, 1, 2), (DROPPED, 6, 0, 2))
        missing = "No such file or directory"
        self.assertEqual(
            self.watcher.told,
            [("dropped", None, missing), ("dropped", None, f"/folder: {missing}")],
        )

    def test_withdrawn(self) -> None:
        """
        A helper that is to accept no more is told so; what it had accepted before it
        heard that still counts, and nothing after it has confirmed.
        """
        self.taken()
        freed: list[int] = []
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [])
        packet = self.played.channel.recv(100)
        self.assertEqual(struct.unpack_from("=I", packet, 4), (0,))
        self.assertEqual(NAME.unpack_from(packet, 8), (5,))
        self.say((ACCEPTED, 5, 77, 0), (WITHDRAWN, 5, 0, 0), (ACCEPTED, 5, 78, 0))
        self.assertEqual(self.watcher.told, [("accepted", None), ("started", 77)])
        self.assertEqual(freed, [5])

    def test_withdrawnFromNobody(self) -> None:
        """
        A socket is free at once when no helper is there, and when the helper that
        was told dies or ends before it has confirmed.
        """
        freed: list[str] = []
        self.helper.withdraw(99, lambda: freed.append("unknown"))
        self.assertEqual(freed, ["unknown"])
        self.helper.withdraw(5, lambda: freed.append("died"))
        self.assertEqual(freed, ["unknown"])
        self.played.die()
        self.assertEqual(freed, ["unknown", "died"])

    def test_withdrawnWhileStopping(self) -> None:
        """
        When a helper is told to end, a socket is free once it has.
        """
        freed: list[int] = []
        self.helper.stop()
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [])
        self.played.die()
        self.assertEqual(freed, [5])

    def test_many(self) -> None:
        """
        When there are more sockets than the way to the helper has room for, it is
        told of the rest a little later, of each once; it is not taken for dead.
        """
        expected = list(range(5, 2005))
        for number in expected[1:]:
            delegation = Delegation(self.watcher, b"shared", self.server.fileno())
            self.helper.delegate(number, delegation)
        taken: list[int] = []
        self.played.channel.setblocking(False)
        while len(taken) < len(expected):
            try:
                taken.append(self.taken())
            except BlockingIOError:
                self.assertIsNotNone(self.helper._postLater)
                self.reactor.advance(POST_PAUSE)
        self.assertEqual(taken, expected)
        self.assertEqual(self.watcher.told, [])

    def test_successor(self) -> None:
        """
        A helper that follows one that died is left the same sockets, but not those
        that were withdrawn.
        """
        self.taken()
        gone = Delegation(Watcher(), b"gone", self.server.fileno())
        self.helper.delegate(6, gone)
        self.helper.withdraw(6, lambda: None)
        self.played.channel.recv(100)
        self.played.channel.recv(100)
        self.played.die()
        self.reactor.advance(1)
        self.played = self.play()
        self.say((HELLO, 0, 4, 0))
        self.assertEqual(self.taken(), 5)
        self.played.channel.setblocking(False)
        self.assertRaises(BlockingIOError, self.played.channel.recv, 100)


@implementer(IAcceptingLauncher)
class AcceptingLauncher(FakeLauncher):
    """
    A launcher that accepts by itself.
    """

    def delegate(self, watcher: Any, order: Order) -> int:
        """
        Remember it.
        """
        self.order = order
        self.said.append("delegate")
        return 9

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Remember it.
        """
        self.said.append(f"withdraw {number}")
        self.free = free


class StreamProgramsTests(ServingTestCase):
    """
    Tests for L{StreamPrograms} with a launcher that accepts by itself.
    """

    def serve(self, service: Service) -> None:
        """
        Serve a service.
        """
        self.accepting = AcceptingLauncher()
        verifyObject(IAcceptingLauncher, self.accepting)
        self.server = self.closing(listening(service))
        self.limits = Limits(service.bounds, self.reactor.seconds)
        self.listener = StreamPrograms(
            service, self.server, self.host, self.limits, self.accepting, lambda: None
        )
        self.listener.start()

    def test_delegates(self) -> None:
        """
        A service without bounds is left to the launcher, and taken back once; its
        socket is free when the launcher does not accept any more.
        """
        self.serve(makeService())
        self.assertEqual(self.accepting.order.fds[0], self.server.fileno())
        self.listener.retire(lambda: self.accepting.said.append("retired"))
        self.listener.stop()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.accepting.free()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9", "retired"])

    def test_bounded(self) -> None:
        """
        A service with a bound is not.
        """
        self.serve(makeService(bounds=Bounds(ipMax=5)))
        self.assertEqual(self.accepting.said, [])

    def test_counts(self) -> None:
        """
        What the launcher starts counts until it has ended.
        """
        self.serve(makeService())
        child = self.listener.accepted(("127.0.0.1", 7))
        child.started(77)
        self.assertEqual(self.limits.running, 1)
        child.ended(Exit(0))
        self.assertEqual(self.limits.running, 0)

    def test_dropped(self) -> None:
        """
        When the launcher cannot, connections come to the daemon.
        """
        self.serve(makeService())
        self.listener.dropped(("127.0.0.1", 7), "why")
        self.listener.dropped(None, "why")
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.accepting.programs), 1)


class ForkServersTests(SynchronousTestCase):
    """
    Tests for L{ForkServers} that are left a socket.
    """

    def test_all(self) -> None:
        """
        Every helper is left the socket as soon as it is ready, with the program.
        """
        pool = ForkServers(Context(), FakeReactor(), Report(), count=2)
        verifyObject(IAcceptingLauncher, pool)
        order = Order("/bin/cat", ("cat", "-u"), {"A": "b"}, {}, (0, 0, 0))
        number = pool.delegate(Watcher(), order)
        kept = [helper._delegations[number] for helper in pool._helpers]
        self.assertEqual(len(kept), 2)
        self.assertEqual(
            decode(kept[0].shared), (b"/bin/cat", [b"cat", b"-u"], {b"A": b"b"})
        )
        for helper in pool._helpers:
            helper._ours.close()
            helper._theirs.close()
