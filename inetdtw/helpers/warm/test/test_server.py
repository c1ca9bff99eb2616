# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.server}."""

from __future__ import annotations

import array
import errno
import os
import posix
import socket
from typing import Any
from unittest import mock

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    FAILED,
    NOT_ACCEPTED,
    NOT_STARTED,
    RETURNED,
    WITHDRAWN,
)
from inetdtw.helpers.requests import HEADER, LAUNCH, WITHDRAW
from inetdtw.helpers.warm.protocol import MISFIT
from inetdtw.helpers.warm.test.cases import (
    PID,
    ExitedError,
    ServerTestCase,
    connection,
    report,
)


class ReceiveTests(ServerTestCase):
    """
    Tests for packets of the daemon.

    @ivar launches: the launch requests: number, variables and descriptors.
    """

    def setUp(self) -> None:
        """Note launch requests."""
        super().setUp()
        self.launches: list[tuple[int, bytes, list[int]]] = []
        self.patch(self.server, "_launch", self.launch)

    def launch(self, number: int, extra: bytes, fds: list[int]) -> str:
        """Note a launch request."""
        self.launches.append((number, extra, fds))
        for fd in fds:
            self.assertFalse(os.get_inheritable(fd))
            os.close(fd)
        return "child"

    def test_launch(self) -> None:
        """A launch request comes with its descriptors, which are close-on-exec."""
        fds = [self.daemon.fileno()] * 3
        socket.send_fds(
            self.daemon, [HEADER.pack(LAUNCH, False, 3, 0, 0, 0), b"A=b"], fds
        )
        self.assertEqual(self.receive(), "child")
        ((number, extra, got),) = self.launches
        self.assertEqual((number, extra, len(got)), (3, b"A=b", 3))

    def test_launches(self) -> None:
        """A launch request has nothing of the one before."""
        for extra in (b"A=long", b"B"):
            self.daemon.send(HEADER.pack(LAUNCH, False, 3, 0, 0, 0) + extra)
            self.receive()
        self.assertEqual([each[1] for each in self.launches], [b"A=long", b"B"])

    def test_sockets(self) -> None:
        """A listening socket is delegated with a limit, and withdrawn."""
        listening = self.closing(socket.create_server(("127.0.0.1", 0)))
        self.delegate(listening, 5, 7)
        found = list(self.listening()), self.server._children.most
        self.assertEqual(found, ([5], 7))
        self.daemon.send(HEADER.pack(WITHDRAW, False, 9, 5, 0, 0))
        self.assertIsNone(self.receive())
        self.assertEqual((self.listening(), self.launches), ({}, []))
        self.assertEqual(self.reports(), [report(WITHDRAWN, 5, 0, 0)])

    def test_nothing(self) -> None:
        """Nothing happens when there is no packet after all."""
        waits = array.array("l", (5, 0)).tobytes()
        self.channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, waits)
        self.assertIsNone(self.receive())
        self.assertEqual((self.launches, self.reports()), ([], []))

    def test_noDaemon(self) -> None:
        """The process sends all reports and exits when the daemon is gone."""
        self.recorder.add(WITHDRAWN, 9, 0, 0)
        self.daemon.shutdown(socket.SHUT_WR)
        gone = self.assertRaises(ExitedError, self.receive)
        self.assertEqual(gone.args, (0,))
        self.assertEqual(self.daemon.recv(100), report(WITHDRAWN, 9, 0, 0))

    def test_killedDaemon(self) -> None:
        """The process exits when the daemon is gone and had not read everything."""
        self.channel.send(b"x")
        self.daemon.close()
        gone = self.assertRaises(ExitedError, self.receive)
        self.assertEqual(gone.args, (0,))

    def test_unknown(self) -> None:
        """The process exits when it gets a request that it does not know."""
        self.daemon.send(HEADER.pack(9, False, 1, 0, 0, 0))
        log = mock.Mock()
        self.patch(posix, "write", log)
        gone = self.assertRaises(ExitedError, self.receive)
        self.assertEqual(gone.args, (MISFIT,))
        self.assertIn(b"unknown request 9", log.mock_calls[0].args[1])

    def test_ready(self) -> None:
        """Children that have exited are reported, and connections are accepted."""
        self.server._children.add(PID, 8)
        self.exited = [(PID, 0)]
        os.write(self.signal._wake, b"x" * 5000)
        self.assertIsNone(self.server._ready(self.signal.fd))
        self.assertRaises(BlockingIOError, os.read, self.signal.fd, 1)
        self.assertEqual(self.reports(), [report(ENDED, 8, PID, 0)])
        self.client(self.listen())
        self.forks = [PID]
        self.accept()
        self.reap((PID, 0))
        self.assertEqual(self.reports()[-1], report(ENDED, 5, PID, 0))
        # The descriptor can be another's by now.
        self.assertIsNone(self.server._ready(self.signal._wake))
        self.assertEqual(self.reports(), [])

    def test_long(self) -> None:
        """The process exits when a request is too long for it."""
        self.daemon.send(HEADER.pack(LAUNCH, False, 3, 0, 0, 0) + bytes(1 << 14))
        log = mock.Mock()
        self.patch(posix, "write", log)
        gone = self.assertRaises(ExitedError, self.receive)
        self.assertEqual(gone.args, (MISFIT,))
        self.assertIn(b"too long", log.mock_calls[0].args[1])


class LaunchTests(ServerTestCase):
    """Tests for launch requests."""

    def launch(self, number: int, fds: list[int]) -> None:
        """Handle a launch request; no child is forked in this process."""
        self.assertIsNone(self.server._launch(number, b"", fds))

    def test_forked(self) -> None:
        """The descriptors of a client are closed when a child has them."""
        self.forks = [PID]
        fd = os.open(os.devnull, os.O_RDWR)
        self.launch(3, [fd])
        self.assertFalse(self.isOpen(fd))
        self.reap((PID, 0))
        self.assertEqual(self.reports(), [report(ENDED, 3, PID, 0)])

    def test_failed(self) -> None:
        """A failed fork is reported with the errno, and the descriptors are closed."""
        for why, number in (
            (OSError(errno.ENOMEM, "x"), errno.ENOMEM),
            (OSError(), errno.EAGAIN),
        ):
            self.forks = [why]
            fds = [os.open(os.devnull, os.O_RDWR) for _ in range(2)]
            self.launch(3, fds)
            self.assertEqual(self.reports(), [report(FAILED, 3, 0, number)])
            self.assertEqual(list(map(self.isOpen, fds)), [False, False])

    def test_notCounted(self) -> None:
        """Children of launch requests do not count for delegated sockets."""
        self.forks = [PID]
        self.launch(1, [os.open(os.devnull, os.O_RDWR)])
        self.listen(5, 1)
        self.assertEqual(list(self.listening()), [5])


class AcceptTests(ServerTestCase):
    """Tests for connections that are accepted."""

    def test_accepted(self) -> None:
        """A connection is reported with its client, and only its child has it."""
        client = self.client(self.listen())
        self.forks = [PID]
        self.accept()
        wanted = connection(ACCEPTED, 5, PID, 0, client.getsockname())
        self.assertEqual(self.reports(), [wanted])
        self.assertEqual(client.recv(10), b"")

    def test_child(self) -> None:
        """A child gets the connection, which blocks, and both its addresses."""
        listening = self.listen()
        client = self.client(listening)
        given: list[Any] = []

        def run(number: int, cold: bool, fds: list[int], variables: Any) -> None:
            self.assertTrue(os.get_blocking(fds[0]))
            os.close(fds[0])
            given.append((number, cold, dict(variables)))

        self.patch(self.server.child, "run", run)
        self.forks = [0]
        self.accept()
        ((number, cold, variables),) = given
        self.assertEqual((number, cold), (0, False))
        self.assertEqual(
            [variables[b"TCPLOCALPORT"], variables[b"REMOTE_PORT"]],
            [b"%d" % each.getsockname()[1] for each in (listening, client)],
        )

    def test_impossible(self) -> None:
        """The socket is returned if a child can start neither warm nor cold."""
        for possible, wanted in (
            (False, [connection(DROPPED, 5, 2, NOT_ACCEPTED)]),
            (True, []),
        ):
            self.client(self.listen())
            self.patch(self.template, "isCold", lambda: True)
            self.patch(self.cold, "isPossible", lambda possible=possible: possible)
            self.forks = [PID]
            self.accept()
            found = [each for each in self.reports() if each[0] == DROPPED]
            self.assertEqual(found, wanted)

    def test_retries(self) -> None:
        """
        A failed fork is retried with backoff.

        What happens meanwhile is reported, and so is all that there was to report
        before.
        """
        why = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.client(self.listen())
        self.recorder.add(WITHDRAWN, 9, 0, 0)
        self.server._children.add(PID + 1, 8)
        self.exited = [(PID + 1, 256)]
        self.forks = [why, why, why, PID]
        self.accept()
        self.assertEqual(self.slept, [0.02, 0.04, 0.08])
        sent = report(WITHDRAWN, 9, 0, 0) + report(ENDED, 8, PID + 1, 256)
        self.assertEqual(self.daemon.recv(1000), sent)
        self.assertEqual(self.reports()[-1][0], ACCEPTED)
        self.assertEqual(self.lines, [f"cannot fork: {why.strerror}"])

    def test_givesUp(self) -> None:
        """
        A connection is closed and reported after ten seconds without a fork.

        Its socket is returned to the daemon.
        """
        for why, number in (
            (OSError(errno.ENOMEM, "Cannot allocate memory"), errno.ENOMEM),
            (OSError(), errno.EAGAIN),
        ):
            self.now = 0.0
            client = self.client(self.listen())
            self.forks = [why] * 100
            self.accept()
            self.assertTrue(9 < self.now < 13, self.now)
            peer = client.getsockname()
            wanted = connection(DROPPED, 5, number, NOT_STARTED, peer)
            self.assertEqual(self.reports(), [wanted])
            self.assertEqual(client.recv(10), b"")
            self.assertEqual(self.listening(), {})

    def test_pauses(self) -> None:
        """The pause before a retry is at most a second."""
        self.client(self.listen())
        self.forks = [OSError(errno.EAGAIN, "x")] * 100
        self.accept()
        self.assertEqual(max(self.slept), 1.0)

    def test_returned(self) -> None:
        """All sockets are returned when as many children run as may."""
        one, other = self.listen(5, 2), self.listen(6, 2)
        for pid in (PID, PID + 1):
            self.client(one)
            self.forks = [pid]
            self.assertEqual(list(self.listening()), [5, 6])
            self.accept()
        self.assertEqual(self.listening(), {})
        crowded = [report(RETURNED, number, 0, 0) for number in (5, 6)]
        self.assertEqual(self.reports()[-2:], crowded)
        self.delegate(other, 6, 2)
        self.assertEqual((self.listening(), self.reports()), ({}, crowded[1:]))
        self.reap((PID, 0))
        self.assertEqual(self.reports(), [report(ENDED, 5, PID, 0)])
        self.delegate(other, 6, 2)
        self.assertEqual((list(self.listening()), self.reports()), ([6], []))
