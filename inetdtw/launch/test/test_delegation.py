# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.delegation}."""

from __future__ import annotations

import errno
import os
import struct
from functools import partial

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
)
from inetdtw.helpers.requests import HEADER, WAIT
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.sendqueue import PAUSE
from inetdtw.launch.test.delegationcase import DelegationTestCase, Watcher
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.limits.budget import ProcessBudget


class DelegationTests(DelegationTestCase):
    """Tests for L{Delegations}, as a fork server uses them."""

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
        wanted = [(None, missing), ("", missing), ("", f"/directory: {missing}")]
        self.assertEqual(self.watcher.calls, [("dropped", *each) for each in wanted])

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

    def test_returned(self) -> None:
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

    def test_waitWithStderr(self) -> None:
        """The descriptor for standard error is sent after a datagram socket."""
        self.taken()
        fd = self.server.fileno()
        given = Delegation(self.watcher, b"shared", fd, WAIT, stderr=fd)
        self.helper.delegate(6, given)
        _, (ancillary,), _, _ = self.played.channel.recvmsg(100, 100)
        for each in struct.unpack("2i", ancillary[2]):
            os.close(each)

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
        self.replace(0)
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

    def test_exhausted(self) -> None:
        """A fork server that reports more programs than its lease has is killed."""
        self.lease(ProcessBudget(100))
        size = self.helper.lease.size
        self.report(*[(ACCEPTED, 5, 77 + number, 0) for number in range(size)])
        self.assertEqual(self.played.process.signals, [])
        self.report((ACCEPTED, 5, 200, 0))
        self.assertEqual(self.played.process.signals, ["KILL"])
        self.assertEqual(len(self.helper.running), size)

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

    def test_replacement(self) -> None:
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
