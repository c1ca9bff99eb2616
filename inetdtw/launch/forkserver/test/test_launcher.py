# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.forkserver.launcher}."""

from __future__ import annotations

import errno
import os
import socket
import sys
from functools import partial
from typing import Any

from zope.interface.verify import verifyObject

from inetdtw.helpers.connection import pairs
from inetdtw.helpers.protocol import BEGIN, decode, receive
from inetdtw.helpers.reports import LARGEST, SHORTAGE, STARTED, WITHDRAWN
from inetdtw.helpers.requests import ACCEPT, HEADER, WAIT, WITHDRAW
from inetdtw.interfaces import ILauncher, LaunchRequest
from inetdtw.launch.forkserver import launcher
from inetdtw.launch.forkserver.code import BOOT
from inetdtw.launch.forkserver.launcher import IN_FLIGHT, ForkServerPool
from inetdtw.launch.forkserver.test.played import PID, PlayedHelper
from inetdtw.launch.test.delegationcase import Watcher
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.test.fakes import FakeChild, ServingTestCase, openDescriptors, openedSince

#: What all programs of a service get: the very object is the service's own.
ENVIRONMENT = {"A": "1"}


class ForkServersTestCase(ServingTestCase):
    """A test of fork servers."""

    def started(self, count: int) -> None:
        """Make fork servers that are ready."""
        self.before = openDescriptors()
        self.servers = self.make(count)
        self.servers.start()
        self.played = [PlayedHelper(each) for each in self.reactor.processes]
        for played in self.played:
            self.addCleanup(played.channel.close)
            played.hello()
        self.reactor.settle()

    def make(self, count: int | None = None, **given: Any) -> ForkServerPool:
        """Make fork servers of a context."""
        servers = ForkServerPool(
            ProcessContext(**given), self.reactor, self.runtime.report, count
        )
        self.addCleanup(self.end, servers)
        return servers

    def end(self, servers: ForkServerPool) -> None:
        """Close all that fork servers have."""
        servers.stop()
        for process in self.reactor.processes:
            if not process.exited:
                process.exit()

    def launch(self, **given: Any) -> FakeChild:
        """Request a program."""
        usual: dict[str, Any] = {
            "executable": "/bin/x",
            "argv": ("x", "one"),
            "environment": ENVIRONMENT,
            "extra": {},
        }
        child = FakeChild()
        with open(os.devnull) as null:
            fds = (null.fileno(),) * 3
            self.servers.launch(child, LaunchRequest(**{**usual, "fds": fds, **given}))
        return child


class ForkServersTests(ForkServersTestCase):
    """Tests for L{ForkServerPool}."""

    def setUp(self) -> None:
        """Make two fork servers that are ready."""
        super().setUp()
        self.started(2)

    def test_interface(self) -> None:
        """The pool is a launcher."""
        verifyObject(ILauncher, self.servers)

    def test_count(self) -> None:
        """By default there is one for each processor, but not too many."""
        for processors, count in ((1, 1), (3, 3), (64, 4), (None, 1)):
            self.patch(os, "cpu_count", lambda processors=processors: processors)
            before = len(self.reactor.processes)
            self.make().start()
            self.assertEqual(len(self.reactor.processes) - before, count)

    def test_noDescriptors(self) -> None:
        """No fork server is left when descriptors are short for some of them."""
        pair, left = socket.socketpair, [None, None]

        def few(*given: Any) -> Any:
            if not left:
                raise OSError(errno.EMFILE, "no more descriptors")
            left.pop()
            return pair(*given)

        before, readers = openDescriptors(), set(self.reactor.getReaders())
        self.patch(socket, "socketpair", few)
        self.assertRaises(OSError, self.make, 3)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(set(self.reactor.getReaders()), readers)

    def test_command(self) -> None:
        """The command is this Python's, isolated, without site, with the context."""
        self.make(1, umask=0o077, directory="/srv").start()
        process = self.reactor.processes[-1]
        self.assertEqual(process.executable, sys.executable)
        self.assertEqual(process.args[1:5], ["-I", "-S", "-c", BOOT])
        # Made again, the same code may be written in another way.
        code = launcher._CODE
        self.assertEqual(process.args[5:7], [*code.arguments()])
        words = ProcessContext(umask=0o077, directory="/srv").toArguments()
        self.assertEqual(process.args[7:], [*words])
        self.assertEqual(process.written, {BEGIN: [code.data]})

    def test_launch(self) -> None:
        """
        A request has the program and its environment.

        Three descriptors that are the same are sent once.
        """
        child = self.launch(extra={"TCPREMOTEIP": "192.0.2.1", "B": "2"})
        number, shared, extra, fds = self.played[0].take()
        self.assertEqual(decode(shared), ([b"/bin/x"], [b"x", b"one"], {b"A": b"1"}))
        self.assertEqual(
            pairs(extra.split(b"\0")), {b"TCPREMOTEIP": b"192.0.2.1", b"B": b"2"}
        )
        self.assertEqual(len(fds), 1)
        os.close(fds[0])
        self.played[0].report((STARTED, number, PID, 0))
        self.reactor.settle()
        self.assertEqual(child.calls, [PID])

    def test_threeDescriptors(self) -> None:
        """Otherwise all three go."""
        with open(os.devnull) as one, open("/dev/zero") as two:
            self.launch(fds=(one.fileno(), two.fileno(), two.fileno()))
        fds = self.played[0].take()[3]
        paths = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
        self.assertEqual(paths, [os.devnull, "/dev/zero", "/dev/zero"])
        for fd in fds:
            os.close(fd)

    def test_otherEnvironment(self) -> None:
        """A cached program is not used for other arguments or another environment."""
        seen = []
        for given in (
            {},
            {"argv": ("x", "two")},
            {"environment": {"A": "2"}},
            {"executable": "/bin/y"},
            {"search": ("/bin/x", "/usr/bin/x")},
        ):
            self.launch(**given)
            self.launch(**given)
            packets = [played.take() for played in self.played]
            for _, shared, _, fds in packets:
                seen.append(decode(shared))
                os.close(fds[0])
            for played, (number, _, _, _) in zip(self.played, packets):
                played.report((STARTED, number, PID, 0))
            self.reactor.settle()
        self.assertEqual(seen[::2], seen[1::2])
        plain = ([b"/bin/x"], [b"x", b"one"], {b"A": b"1"})
        self.assertEqual(
            seen[::2],
            [
                plain,
                (plain[0], [b"x", b"two"], plain[2]),
                (plain[0], plain[1], {b"A": b"2"}),
                ([b"/bin/y"], plain[1], plain[2]),
                ([b"/bin/x", b"/usr/bin/x"], plain[1], plain[2]),
            ],
        )

    def test_manyEnvironments(self) -> None:
        """The cache of programs does not grow with every reload."""
        for number in range(2500):
            request = LaunchRequest("/bin/x", ("x",), {"A": str(number)}, {}, (0, 0, 0))
            self.servers._program(request)
        self.assertLess(len(self.servers._encoded), 1100)

    def test_spread(self) -> None:
        """A request goes to the live fork server with the fewest."""
        for _ in range(4):
            self.launch()
        for played in self.played:
            for _ in range(2):
                os.close(played.take()[3][0])
        self.played[0].die()
        for _ in range(3):
            self.launch()
            os.close(self.played[1].take()[3][0])

    def test_capacity(self) -> None:
        """There is capacity while one fork server has few requests before it."""
        for _ in range(2 * IN_FLIGHT):
            self.assertTrue(self.servers.hasCapacity)
            self.launch()
        self.assertFalse(self.servers.hasCapacity)
        calls: list[None] = []
        self.servers.whenCapacity(lambda: calls.append(None))
        self.played[1].report((SHORTAGE, 1, 0, errno.EAGAIN))
        self.reactor.settle()
        self.assertEqual(calls, [])
        self.played[1].report((STARTED, 1, PID, 0))
        self.reactor.settle()
        self.assertTrue(self.servers.hasCapacity)
        self.assertEqual(calls, [None])

    def test_capacityForOne(self) -> None:
        """Those that wait for capacity are called one by one."""
        for _ in range(2 * IN_FLIGHT):
            self.launch()
        order: list[int] = []

        def take(number: int) -> None:
            order.append(number)
            self.launch()

        for number in (1, 2, 3):
            self.servers.whenCapacity(partial(take, number))
        self.played[0].report((STARTED, 1, PID, 0))
        self.reactor.settle()
        self.assertEqual(order, [1])
        self.played[0].report((STARTED, 2, PID, 0), (STARTED, 3, PID, 0))
        self.reactor.settle()
        self.assertEqual(order, [1, 2, 3])

    def test_noCapacityYet(self) -> None:
        """There is no capacity before the first fork server is ready."""
        servers = self.make(1)
        self.assertFalse(servers.hasCapacity)
        servers.start()
        self.assertFalse(servers.hasCapacity)

    def test_noCapacityWhenDead(self) -> None:
        """
        There is no capacity while all fork servers are dead.

        Those that wait are called when one is up again.
        """
        for played in self.played:
            played.die()
        self.assertFalse(self.servers.hasCapacity)
        calls: list[None] = []
        self.servers.whenCapacity(lambda: calls.append(None))
        self.reactor.advance(1)
        played = PlayedHelper(self.reactor.processes[-1])
        played.hello()
        played.channel.close()
        self.reactor.settle()
        self.assertEqual(calls, [None])

    def test_delegateWait(self) -> None:
        """One fork server, each time another, waits for datagrams; it can be freed."""
        server = self.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        fds = (server.fileno(), 1, 2)
        request = LaunchRequest("/bin/x", ("x",), ENVIRONMENT, {}, fds)
        numbers = [self.servers.delegateWait(Watcher(), request) for _ in self.played]
        for number, played in zip(numbers, self.played):
            packet, given = receive(played.channel, memoryview(bytearray(LARGEST)))
            self.assertEqual(
                [os.fstat(each).st_ino for each in given],
                [os.fstat(each).st_ino for each in (fds[0], fds[2])],
            )
            for fd in given:
                os.close(fd)
            kind, _, _, requested, _, _ = HEADER.unpack_from(packet)
            self.assertEqual((kind, requested), (WAIT, number))
        freed: list[int] = []
        self.servers.withdraw(numbers[0], partial(freed.append, numbers[0]))
        self.assertEqual(freed, [])
        self.played[0].report((WITHDRAWN, numbers[0], 0, 0))
        self.reactor.settle()
        self.assertEqual(freed, numbers[:1])

    def test_withdraw(self) -> None:
        """
        All fork servers accept from a delegated socket.

        It is free once when the last of them has left it or died.
        """
        server = self.closing(socket.socket())
        fds = (server.fileno(), 1, 2)
        request = LaunchRequest("/bin/x", ("x",), ENVIRONMENT, {}, fds)
        number = self.servers.delegate(Watcher(), request)
        self.assertNotEqual(self.servers.delegate(Watcher(), request), number)
        freed: list[int] = []
        self.servers.withdraw(number, partial(freed.append, number))
        for played in self.played:
            buffer = memoryview(bytearray(LARGEST))
            taken = [receive(played.channel, buffer) for _ in range(3)]
            heads = [HEADER.unpack_from(packet) for packet, _ in taken]
            self.assertEqual([head[0] for head in heads], [ACCEPT, ACCEPT, WITHDRAW])
            self.assertEqual([heads[0][3], heads[2][3]], [number] * 2)
            program = decode(taken[0][0][HEADER.size :])
            self.assertEqual(program, ([b"/bin/x"], [b"x"], {b"A": b"1"}))
            for _, (fd,) in taken[:2]:
                self.assertTrue(os.path.sameopenfile(fd, server.fileno()))
                os.close(fd)
            self.assertEqual(taken[2][1], [])
        self.played[1].report((WITHDRAWN, number, 0, 0))
        self.reactor.settle()
        self.assertEqual(freed, [])
        self.played[0].die()
        self.assertEqual(freed, [number])

    def test_tooMuch(self) -> None:
        """A request that cannot be sent fails."""
        child = self.launch(extra={"A": "x" * (1 << 24)})
        self.assertEqual(len(child.calls), 1)
        self.assertIn("cannot reach the fork server", child.calls[0])

    def test_log(self) -> None:
        """Deaths and stalls are in the log."""
        pid = self.played[0].process.pid
        self.played[0].die(3)
        (line,) = self.logged("forkserver-exit")
        self.assertEqual((line["uid"], line["pid"]), (os.geteuid(), pid))
        self.servers.shortage("Resource temporarily unavailable")
        self.assertEqual(len(self.logged("shortage")), 1)

    def test_logUser(self) -> None:
        """With the user that the fork server runs as."""
        servers = self.make(1, credentials=Credentials(1000, 100, ()))
        servers.died(4, "so", 1)
        self.assertEqual(self.logged("forkserver-exit")[0]["uid"], 1000)

    def test_stop(self) -> None:
        """When all have ended, nothing is left."""
        stopped = self.servers.stop()
        self.played[0].die(0)
        self.assertNoResult(stopped)
        self.played[1].die(0)
        self.successResultOf(stopped)
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_retire(self) -> None:
        """Each ends when its programs have ended."""
        self.launch()
        os.close(self.played[0].take()[3][0])
        self.servers.retire()
        self.assertEqual(self.played[1].channel.recv(100), b"")
        self.played[0].channel.settimeout(0)
        self.assertRaises(BlockingIOError, self.played[0].channel.recv, 100)

    def test_over(self) -> None:
        """The pool is over when all its fork servers have exited."""
        one, two = self.played
        self.assertFalse(self.servers.over)
        self.servers.retire()
        one.die()
        self.assertFalse(self.servers.over)
        two.die()
        self.assertTrue(self.servers.over)
