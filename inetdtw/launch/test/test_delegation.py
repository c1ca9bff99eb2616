# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.delegation}."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from functools import partial
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    HELLO,
    NOT_ACCEPTED,
    NOT_ENTERED,
    NOT_STARTED,
    RETURNED,
    WITHDRAWN,
    Reports,
)
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH, WAIT, WITHDRAW
from inetdtw.interfaces import ExitStatus, IAcceptDelegate, IChild
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.launch.forkserver.test.test_process import HelperTestCase
from inetdtw.launch.sendqueue import PAUSE
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.limits.budget import Lease, ProcessBudget


@implementer(IAcceptDelegate, IChild)
class Watcher:
    """Records what happens to a delegated socket, and to its programs."""

    warm: bool | None = None

    def __init__(self) -> None:
        """Record nothing yet."""
        self.calls: list[Any] = []

    def accepted(self, peer: Any) -> Watcher:
        """Record that a program was started."""
        self.calls.append(("accepted", peer))
        return self

    def dropped(self, peer: Any, reason: str) -> None:
        """Record that no more connections are accepted."""
        self.calls.append(("dropped", peer, reason))

    def returned(self, left: bool = False) -> None:
        """Record that no more connections are accepted for now."""
        self.calls.append(("left",) if left else ("returned",))

    def started(self, pid: int) -> None:
        """Record that the program runs."""
        self.calls.append(("started", pid))

    def failed(self, reason: str) -> None:
        """Record that the program could not be started."""
        self.calls.append(("failed", reason))

    def ended(self, how: ExitStatus) -> None:
        """Record that the program has ended."""
        self.calls.append(("ended", how.status))


class DelegationTests(HelperTestCase):
    """Tests for L{Delegations}, as a fork server uses them."""

    def setUp(self) -> None:
        """Delegate a socket to the fork server."""
        super().setUp()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.watcher = Watcher()
        verifyObject(IAcceptDelegate, self.watcher)
        delegation = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(5, delegation)

    def taken(self) -> int:
        """Receive the number of a delegated socket."""
        packet, ancillary, _, _ = self.played.channel.recvmsg(100, 100)
        kind, _, _, number, _, length = HEADER.unpack_from(packet)
        self.assertEqual((kind, length), (ACCEPT, len(b"shared")))
        self.assertEqual(packet[HEADER.size :], b"shared")
        (fd,) = struct.unpack("i", ancillary[0][2])
        with socket.socket(fileno=fd) as given:
            self.assertEqual(given.getsockname(), self.server.getsockname())
        return int(number)

    def withdrawn(self) -> int:
        """Receive the number of a socket that is withdrawn."""
        kind, _, _, number, _, _ = HEADER.unpack(self.played.channel.recv(1000))
        self.assertEqual(kind, WITHDRAW)
        return int(number)

    def lease(self, budget: ProcessBudget) -> None:
        """Give the fork server a lease."""
        self.helper.lease = self.helper.delegations._lease = Lease(budget)

    def connection(self, kind: int, *report: int, peer: Any = None) -> None:
        """Report a connection, as L{Reports.addConnection} does."""
        reports = Reports(self.played.channel)
        reports.addConnection(kind, report[0], report[1], peer=peer)
        reports.flush()
        self.reactor.settle()

    def report(self, *reports: tuple[int, int, int, int]) -> None:
        """Send reports of the fork server."""
        self.played.report(*reports)
        self.reactor.settle()

    def test_accepted(self) -> None:
        """A program for an accepted connection starts and ends, with the address."""
        self.assertEqual(self.taken(), 5)
        self.connection(ACCEPTED, 5, 77, peer=("10.0.0.1", 9))
        self.report((4, 5, 77, 256))
        self.assertEqual(
            self.watcher.calls,
            [("accepted", ("10.0.0.1", 9)), ("started", 77), ("ended", 1)],
        )

    def test_died(self) -> None:
        """The death of a fork server that accepts may have dropped a connection."""
        self.played.die()
        (_, reason, _) = self.owner.deaths[0]
        wanted = "; a connection it was accepting may have been dropped"
        self.assertTrue(reason.endswith(wanted), reason)
        # Its successor never accepted.
        self.reactor.advance(FIRST_PAUSE)
        self.play().die()
        self.assertNotIn("accepting", self.owner.deaths[1][1])

    def test_dropped(self) -> None:
        """
        An error is reported with the directory, if that is what is missing.

        A client that has no address is distinguished from no client.
        """
        self.report(
            (DROPPED, 5, NOT_ACCEPTED, errno.ENOENT),
            (DROPPED, 5, NOT_STARTED, errno.ENOENT),
            (DROPPED, 5, NOT_ENTERED, errno.ENOENT),
            (DROPPED, 6, NOT_STARTED, errno.ENOENT),
        )
        missing = os.strerror(errno.ENOENT)
        wanted = [(None, missing), ("", missing), ("", f"/folder: {missing}")]
        self.assertEqual(self.watcher.calls, [("dropped", *each) for each in wanted])

    def test_withdrawn(self) -> None:
        """
        A fork server stops accepting from a socket that is withdrawn.

        What it had accepted before it confirms that counts.
        """
        self.taken()
        freed: list[int] = []
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [])
        self.assertEqual(self.withdrawn(), 5)
        self.report((ACCEPTED, 5, 77, 0), (WITHDRAWN, 5, 0, 0), (ACCEPTED, 5, 78, 0))
        self.assertEqual(self.watcher.calls, [("accepted", None), ("started", 77)])
        self.assertEqual(freed, [5])

    def test_withdrawnFromNobody(self) -> None:
        """
        A socket is free at once when there is no fork server.

        It is free, too, when the fork server dies before it confirms.
        """
        freed: list[str] = []
        self.helper.withdraw(99, lambda: freed.append("unknown"))
        self.assertEqual(freed, ["unknown"])
        self.helper.withdraw(5, lambda: freed.append("died"))
        self.assertEqual(freed, ["unknown"])
        self.played.die()
        self.assertEqual(freed, ["unknown", "died"])

    def test_withdrawnUntaken(self) -> None:
        """
        A replacement does not accept from a socket that was withdrawn before.

        It finds the request to accept in the channel, and one to stop.
        """
        freed: list[int] = []
        self.played.die()
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [5])
        self.succeed(0)
        self.assertEqual(self.taken(), 5)
        self.assertEqual(self.withdrawn(), 5)

    def test_large(self) -> None:
        """A program that is too large for a packet is sent in a file."""
        self.taken()
        shared = os.urandom(300_000)
        self.helper.delegate(6, Delegation(self.watcher, shared, self.server.fileno()))
        number, _, rest, fds = self.played.take()
        self.addCleanup(os.close, fds[0])
        with open(fds[1], "rb", buffering=0) as file:
            self.assertEqual(os.pread(file.fileno(), 1 << 20, 0), shared)
        self.assertEqual((number, rest), (2, b""))
        self.assertEqual(self.watcher.calls, [])

    def test_tooLarge(self) -> None:
        """The watcher accepts when a program is too large for any request."""
        large = Delegation(self.watcher, b"x" * (1 << 24), self.server.fileno())
        self.helper.delegate(6, large)
        self.reactor.advance(0)
        self.assertEqual(
            self.watcher.calls, [("dropped", None, os.strerror(errno.E2BIG))]
        )

    def test_withdrawnWhileStopping(self) -> None:
        """A socket is free when a fork server that was stopped has exited."""
        freed: list[int] = []
        self.helper.stop()
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [])
        self.played.die()
        self.assertEqual(freed, [5])

    def test_many(self) -> None:
        """
        Requests for many sockets are sent while the channel has room.

        Each is sent once, and the fork server is not taken for dead.
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
                self.assertNotEqual(self.reactor.getDelayedCalls(), [])
                self.reactor.advance(PAUSE)
        self.assertEqual(taken, expected)
        self.assertEqual(self.watcher.calls, [])

    def test_crowded(self) -> None:
        """A fork server that has as many programs as may be returns its sockets."""
        self.taken()
        self.report((RETURNED, 5, 0, 0))
        self.assertEqual(self.watcher.calls, [("returned",)])

    def test_wait(self) -> None:
        """A datagram socket is delegated by a request of its own."""
        self.taken()
        self.wait()
        self.report((ACCEPTED, 6, 77, 0), (ENDED, 6, 77, 0), (RETURNED, 6, 0, 1))
        self.assertEqual(
            self.watcher.calls,
            [("accepted", None), ("started", 77), ("ended", 0), ("left",)],
        )

    def wait(self) -> None:
        """Delegate a datagram socket, and receive the request."""
        given = Delegation(self.watcher, b"shared", self.server.fileno(), WAIT)
        self.helper.delegate(6, given)
        packet, (ancillary,), _, _ = self.played.channel.recvmsg(100, 100)
        os.close(struct.unpack("i", ancillary[2])[0])
        self.assertEqual(packet, HEADER.pack(WAIT, False, 2, 6, 0, 6) + b"shared")

    def test_waitOfTheDead(self) -> None:
        """
        A datagram socket is returned when the fork server has died.

        Its program may run still, so that the replacement must not start another.
        """
        self.taken()
        self.wait()
        freed: list[int] = []
        withdraw = partial(self.helper.withdraw, 6, partial(freed.append, 6))
        self.patch(self.watcher, "returned", withdraw)
        self.played.die()
        self.assertEqual(freed, [6])
        self.succeed(0)
        self.assertEqual(self.taken(), 5)
        self.nothingMore()

    def test_share(self) -> None:
        """
        The lease counts while the fork server accepts.

        Its programs are part of it.
        """
        budget = ProcessBudget(100)
        self.lease(budget)
        self.helper.delegate(6, Delegation(self.watcher, b"", self.server.fileno()))
        self.assertEqual(budget.leased, 6)
        self.report((ACCEPTED, 6, 77, 0))
        self.assertEqual(budget.leased, 5)
        self.report((ENDED, 6, 77, 0))
        self.assertEqual(budget.leased, 6)
        for number in (5, 6):
            self.helper.withdraw(number, lambda: None)
            self.assertEqual(budget.leased, 6)
        self.report((WITHDRAWN, 5, 0, 0))
        self.assertEqual((budget.leased, len(self.helper.delegations)), (6, 1))
        self.report((WITHDRAWN, 6, 0, 0))
        self.assertEqual((budget.leased, len(self.helper.delegations)), (0, 0))

    def nothingMore(self) -> None:
        """Assert that the channel is empty."""
        self.played.channel.setblocking(False)
        self.assertRaises(BlockingIOError, self.played.channel.recv, 100)

    def test_withdrawnEarly(self) -> None:
        """
        A socket that is withdrawn before there is a fork server is forgotten.

        Its lease is released, and the fork server is never requested to accept.
        """
        budget = ProcessBudget(100)
        freed: list[int] = []
        helper = ForkServerProcess(self.owner, self.reactor, ["/py"], "/", budget)
        self.addCleanup(helper.stop)
        for number in (6, 7):
            delegation = Delegation(self.watcher, b"", self.server.fileno())
            helper.delegate(number, delegation)
        for number, left in ((6, 6), (7, 0)):
            helper.withdraw(number, partial(freed.append, number))
            self.assertNotIn(number, helper.delegations)
            self.assertEqual(budget.leased, left)
        self.assertEqual(freed, [6, 7])
        helper.start()
        self.played = self.play()
        self.report((HELLO, 0, 4, 0))
        self.nothingMore()
        self.assertEqual(budget.leased, 0)
        self.played.die()
        self.assertNotIn("accepting", self.owner.deaths[-1][1])
        self.assertEqual(freed, [6, 7])

    def test_withdrawnFromTheDead(self) -> None:
        """
        A socket that is withdrawn between two fork servers is forgotten.

        The other sockets are delegated to the replacement.
        """
        self.taken()
        self.helper.delegate(
            6, Delegation(self.watcher, b"shared", self.server.fileno())
        )
        self.taken()
        self.played.die()
        freed: list[int] = []
        self.helper.withdraw(5, partial(freed.append, 5))
        self.assertEqual(
            (freed, list(self.helper.delegations._delegations)), ([5], [6])
        )
        self.succeed(0)
        self.assertEqual(self.taken(), 6)
        self.nothingMore()
        self.report((WITHDRAWN, 5, 0, 0))
        self.assertEqual(freed, [5])

    def test_withdrawnUnasked(self) -> None:
        """A socket that was not withdrawn is not free, whatever is reported."""
        self.report((WITHDRAWN, 5, 0, 0))
        self.assertIn(5, self.helper.delegations)

    def test_exhausted(self) -> None:
        """A fork server that reports more programs than its lease has is killed."""
        self.lease(ProcessBudget(100))
        size = self.helper.lease.size
        self.report(*[(ACCEPTED, 5, 77 + number, 0) for number in range(size)])
        self.assertEqual(self.played.process.signals, [])
        self.report((ACCEPTED, 5, 200, 0))
        self.assertEqual(self.played.process.signals, ["KILL"])
        self.assertEqual(len(self.helper.running), size)

    def test_withdrawnOnce(self) -> None:
        """A socket that was confirmed is free once, whatever is reported later."""
        freed: list[int] = []
        self.helper.withdraw(5, partial(freed.append, 5))
        self.report((WITHDRAWN, 5, 0, 0), (WITHDRAWN, 5, 0, 0))
        self.assertEqual(freed, [5])
        self.assertNotIn(5, self.helper.delegations)
        self.played.die()
        self.assertEqual(freed, [5])

    def test_deathFreesUnwanted(self) -> None:
        """The death of a fork server frees the sockets that were withdrawn only."""
        freed: list[int] = []
        kept = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(6, kept)
        self.helper.withdraw(5, partial(freed.append, 5))
        self.played.die()
        self.assertEqual(
            (freed, list(self.helper.delegations._delegations)), ([5], [6])
        )

    def delegateUnsent(self) -> int:
        """
        Delegate a socket while the channel is full.

        @return: how many packets are in it.
        """
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 10_000:
                self.helper.channel.send(LAUNCH, program=bytes(100))
                sent += 1
        given = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(6, given)
        return sent

    def test_withdrawnUnsent(self) -> None:
        """A socket that is withdrawn before the request is sent is only withdrawn."""
        self.taken()
        sent = self.delegateUnsent()
        freed: list[int] = []
        self.helper.withdraw(6, partial(freed.append, 6))
        self.assertEqual(freed, [])
        for _ in range(sent):
            self.assertEqual(len(self.played.channel.recv(1000)), HEADER.size + 100)
        self.reactor.advance(PAUSE)
        self.assertEqual(self.withdrawn(), 6)
        self.nothingMore()
        self.report((WITHDRAWN, 6, 0, 0))
        self.assertEqual(freed, [6])

    def test_unsentToTheDead(self) -> None:
        """A request that was not sent before a death is sent once afterwards."""
        self.taken()
        sent = self.delegateUnsent()
        self.played.die()
        self.reactor.advance(FIRST_PAUSE)
        self.played = self.play()
        for _ in range(sent):
            self.assertEqual(len(self.played.channel.recv(1000)), HEADER.size + 100)
        self.report((HELLO, 0, 5, 0))
        self.reactor.advance(PAUSE)
        self.assertEqual({self.taken(), self.taken()}, {5, 6})
        self.nothingMore()

    def test_shareOfTheDead(self) -> None:
        """A fork server that died has no lease; its replacement has what is left."""
        budget = ProcessBudget(100)
        self.lease(budget)
        self.helper.delegate(6, Delegation(self.watcher, b"", self.server.fileno()))
        self.played.die()
        self.assertEqual(budget.leased, 0)
        budget.running = 95
        self.watcher.calls.clear()
        self.reactor.advance(1)
        self.played = self.play()
        self.report((HELLO, 0, 4, 0))
        self.reactor.advance(0)
        self.assertEqual(self.watcher.calls, [("returned",), ("returned",)])
        self.assertEqual(budget.leased, 0)

    def test_successor(self) -> None:
        """A replacement is delegated the same sockets, but not the withdrawn ones."""
        self.taken()
        gone = Delegation(Watcher(), b"gone", self.server.fileno())
        self.helper.delegate(6, gone)
        self.helper.withdraw(6, lambda: None)
        self.played.channel.recv(100)
        self.played.channel.recv(100)
        self.played.die()
        self.reactor.advance(1)
        self.played = self.play()
        self.report((HELLO, 0, 4, 0))
        self.assertEqual(self.taken(), 5)
        self.played.channel.setblocking(False)
        self.assertRaises(BlockingIOError, self.played.channel.recv, 100)
