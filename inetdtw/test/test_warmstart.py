# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for how a process of L{inetdtw._warmhelper} begins, and how its children do: in
this process, where nothing is executed and nothing ends.
"""

from __future__ import annotations

import array
import builtins
import errno
import fcntl
import gc
import os
import posix
import resource
import select
import signal
import socket
import sys
import time
from typing import Any
from unittest import mock

from inetdtw import _warmhelper
from inetdtw._warmhelper import (
    ACCEPT,
    FAILED,
    HEADER,
    MISFIT,
    MOST,
    ORDER,
    REPORT,
    STALE,
    STARTED,
    THREADED,
    WITHDRAW,
    WITHDRAWN,
    Command,
    Directory,
    Executable,
    Module,
    Script,
    Start,
    Way,
    isYoung,
    version,
)
from inetdtw.test.fakes import PATIENCE
from inetdtw.test.test_warmending import ExitedError, exitWith
from inetdtw.test.test_warmhelper import FolderTestCase
from inetdtw.test.test_warmserver import PID, ServerTestCase, report


class ReceiveTests(ServerTestCase):
    """
    Tests for packets of the daemon.
    """

    def setUp(self) -> None:
        """
        Know what is ordered.
        """
        super().setUp()
        self.orders: list[tuple[int, bytes, list[int]]] = []
        self.patch(self.server, "_order", self.ordered)
        self.patch(posix, "_exit", exitWith)

    def ordered(self, number: int, extra: bytes, fds: list[int]) -> str:
        """
        Remember an order.
        """
        self.orders.append((number, extra, fds))
        for fd in fds:
            self.assertFalse(os.get_inheritable(fd))
            os.close(fd)
        return "child"

    def test_order(self) -> None:
        """
        It takes an order with all its descriptors, which no program inherits.
        """
        fds = [self.daemon.fileno()] * 3
        socket.send_fds(self.daemon, [HEADER.pack(3, ORDER), b"A=b"], fds)
        self.assertEqual(self.server._receive(), "child")
        ((number, extra, got),) = self.orders
        self.assertEqual((number, extra, len(got)), (3, b"A=b", 3))

    def test_ordersInTurn(self) -> None:
        """
        What one order had the next has not.
        """
        for extra in (b"A=long", b"B"):
            self.daemon.send(HEADER.pack(3, ORDER) + extra)
            self.server._receive()
        self.assertEqual([each[1] for each in self.orders], [b"A=long", b"B"])

    def test_sockets(self) -> None:
        """
        It takes sockets to accept from, how many children they may have, and leaves
        them when it is told to.
        """
        listening = self.closing(socket.create_server(("127.0.0.1", 0)))
        packet = [HEADER.pack(5, ACCEPT), MOST.pack(7)]
        socket.send_fds(self.daemon, packet, [listening.fileno()])
        self.assertIsNone(self.server._receive())
        self.assertEqual((self.numbers(), self.server._mostAccepted), ([5], 7))
        self.daemon.send(HEADER.pack(5, WITHDRAW))
        self.assertIsNone(self.server._receive())
        self.assertEqual((self.numbers(), self.orders), ([], []))
        self.assertEqual(self.reports(), [report(WITHDRAWN, 5, 0, 0)])

    def test_nothing(self) -> None:
        """
        That there is nothing after all is nothing.
        """
        waits = array.array("l", (5, 0)).tobytes()
        channel = self.server._channel
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, waits)
        self.assertIsNone(self.server._receive())
        self.assertEqual((self.orders, self.reports()), ([], []))

    def test_noDaemon(self) -> None:
        """
        It ends when the daemon has left, after all was said.
        """
        self.server._report(WITHDRAWN, 9, 0, 0)
        self.daemon.shutdown(socket.SHUT_WR)
        gone = self.assertRaises(ExitedError, self.server._receive)
        self.assertEqual(gone.args, (0,))
        self.assertEqual(self.daemon.recv(100), report(WITHDRAWN, 9, 0, 0))

    def test_whileImporting(self) -> None:
        """
        It is told of the end while it imports, and only then; it does not begin if that
        has been already.
        """
        fd = self.server._channel.fileno()
        self.server._endWithDaemon(True)
        owner = fcntl.fcntl(fd, fcntl.F_GETOWN)
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        self.server._endWithDaemon(False)
        self.assertEqual(owner, os.getpid())
        self.assertEqual(fcntl.fcntl(fd, fcntl.F_GETFL), flags & ~fcntl.FASYNC)
        self.assertTrue(flags & fcntl.FASYNC)
        self.daemon.close()
        gone = self.assertRaises(ExitedError, self.server._endWithDaemon, False)
        self.assertEqual(gone.args, (0,))

    def test_killedDaemon(self) -> None:
        """
        So it does when the daemon had not read all.
        """
        self.server._channel.send(b"x")
        self.daemon.close()
        gone = self.assertRaises(ExitedError, self.server._receive)
        self.assertEqual(gone.args, (0,))

    def test_unknown(self) -> None:
        """
        It ends when it is asked for what it does not know.
        """
        self.daemon.send(HEADER.pack(1, 9))
        gone = self.assertRaises(ExitedError, self.server._receive)
        self.assertEqual(gone.args, (MISFIT,))
        self.assertIn("there is no order 9", self.told[0])

    def test_about(self) -> None:
        """
        What a descriptor is ready for is done: an end, a client, a packet.
        """
        exits, wake = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, exits)
        self.addCleanup(os.close, wake)
        self.server._exits = exits
        self.server._running = {PID: 8}
        self.ended = [(PID, 0)]
        os.write(wake, b"x" * 5000)
        self.assertIsNone(self.server._about(exits))
        self.assertRaises(BlockingIOError, os.read, exits, 1)
        self.assertEqual(len(self.reports()), 1)
        self.client(self.listen())
        self.forks = [PID]
        (fd,) = self.server._listening
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        self.assertEqual(len(poll.poll(PATIENCE * 1000)), 1)
        self.assertIsNone(self.server._about(fd))
        self.assertEqual(self.server._running, {PID: 5})
        self.daemon.send(HEADER.pack(3, ORDER))
        self.assertEqual(self.server._about(self.server._channel.fileno()), "child")
        # One that is another's by now.
        self.assertIsNone(self.server._about(wake))

    def test_left(self) -> None:
        """
        A connection that is gone before it is served is closed, and has no child.
        """
        listening = self.listen()
        self.client(listening)
        taken: list[int] = []

        def isThere(fd: int) -> bool:
            taken.append(fd)
            return False

        self.patch(_warmhelper, "isThere", isThere)
        self.accept()
        self.assertFalse(self.isOpen(taken[0]))
        self.assertEqual((self.reports(), self.numbers()), ([], [5]))

    def test_noRoom(self) -> None:
        """
        When nothing can be accepted for want of descriptors or memory, the socket is
        left to the daemon; for other reasons it is not.
        """
        listening = self.listen()
        for number, left in (
            (errno.ECONNABORTED, False),
            (errno.EAGAIN, False),
            (errno.EMFILE, True),
            (errno.ENFILE, True),
            (errno.ENOMEM, True),
        ):
            if not self.numbers():
                self.again(listening)
            ((fd, (_, sock)),) = self.server._listening.items()
            fake = mock.Mock(close=sock.close)
            fake._accept.side_effect = OSError(number, "x")
            self.server._listening[fd] = (5, fake)
            self.assertIsNone(self.server._accept(5, fake))
            self.assertEqual(self.numbers(), [] if left else [5])
            said = [report(_warmhelper.DROPPED, 5, 0, number)] if left else []
            self.assertEqual(self.reports(), said)
            if not left:
                self.server._listening[fd] = (5, sock)


class ColdTests(ServerTestCase):
    """
    Tests for whether the next child is executed, and whether another process is needed.
    """

    def setUp(self) -> None:
        """
        Have a program that is as it was.
        """
        super().setUp()
        self.program: Any = mock.Mock(problem="", needs=(), imports=[])
        self.program.refresh.return_value = False
        self.server._program = self.program
        self.preloaded: Any = mock.Mock()
        self.preloaded.stale.return_value = False
        self.preloaded.changed.return_value = False
        self.server._preloaded = self.preloaded

    def stale(self) -> int:
        """
        Return how often another process was asked for.
        """
        return self.reports().count(report(STALE, 0, os.getpid(), 0))

    def test_same(self) -> None:
        """
        If nothing has changed it is not, and none is.
        """
        self.assertIs(self.server._isCold(), False)
        self.program.refresh.return_value = True
        self.assertIs(self.server._isCold(), False)
        self.assertEqual(self.stale(), 0)

    def test_otherImports(self) -> None:
        """
        If the script wants other modules now, another process is asked for once.
        """
        self.preloaded.changed.return_value = True
        self.assertFalse(self.server._isCold())
        self.assertEqual(self.stale(), 0)
        self.program.refresh.return_value = True
        self.program.problem = "x"
        self.assertTrue(self.server._isCold())
        self.assertEqual(self.stale(), 0)
        self.program.problem = ""
        for wanted in (1, 0):
            self.assertFalse(self.server._isCold())
            self.assertEqual(self.stale(), wanted)

    def test_problem(self) -> None:
        """
        What is wrong with the script is said when it changes.
        """
        for problem, told in (("a", 1), ("a", 1), ("", 1), ("a", 2), ("b", 3)):
            self.program.problem = problem
            self.assertIs(self.server._isCold(), bool(problem))
            self.assertEqual(len(self.told), told)
        self.assertEqual(self.told, ["cold: a", "cold: a", "cold: b"])

    def test_old(self) -> None:
        """
        If something is not what would be started now, the child is executed, and
        another process is asked for.
        """
        self.preloaded.stale.return_value = True
        self.assertIs(self.server._isCold(), True)
        self.assertEqual(self.stale(), 1)
        self.preloaded.spoil.assert_not_called()

    def test_spoiled(self) -> None:
        """
        That is so for the folder, for what is executed and for the interpreter.
        """
        self.assertEqual(self.server._interpreter.path, sys.executable)
        for name in ("_directory", "_executable", "_interpreter"):
            self.preloaded.spoil.reset_mock()
            thing: Any = mock.Mock()
            thing.same.return_value = True
            self.patch(self.server, name, thing)
            self.server._isOld()
            self.preloaded.spoil.assert_not_called()
            thing.same.return_value = False
            self.server._isOld()
            self.preloaded.spoil.assert_called_once_with()
            thing.same.return_value = True

    def test_weary(self) -> None:
        """
        When it has used most of its processor time, another process is asked for; if
        there is no limit, never.
        """
        self.patch(time, "process_time", lambda: 81.0)
        self.assertFalse(self.server._isCold())
        self.assertEqual(self.stale(), 0)
        self.limit(50, 100)
        self.assertFalse(self.server._isCold())
        self.assertEqual(self.stale(), 1)
        self.server._stale = False
        self.patch(time, "process_time", lambda: 79.0)
        self.assertFalse(self.server._isCold())
        self.assertEqual(self.stale(), 0)

    def limit(self, soft: int, hard: int) -> list[tuple[int, tuple[int, int]]]:
        """
        Have limits of processor time.

        @return: the limits that it sets.
        """
        found: list[tuple[int, tuple[int, int]]] = []
        self.patch(resource, "getrlimit", lambda which: (soft, hard))
        self.patch(resource, "setrlimit", lambda *told: found.append(told))
        self.server._limit()
        return found

    def test_limit(self) -> None:
        """
        The soft limit of processor time is the children's only.
        """
        self.assertEqual(self.limit(50, 100), [(resource.RLIMIT_CPU, (100, 100))])
        self.assertEqual(self.server._cpu, (50, 100))
        self.server._cpu, self.server._most = None, 0.0
        none = resource.RLIM_INFINITY
        self.assertEqual(self.limit(none, none), [])
        self.assertEqual((self.server._cpu, self.server._most), (None, 0.0))
        self.assertEqual(self.limit(50, none), [(resource.RLIMIT_CPU, (none, none))])
        self.assertEqual((self.server._cpu, self.server._most), ((50, none), 0.0))


class ChildTests(ServerTestCase):
    """
    Tests for what a child does.
    """

    def setUp(self) -> None:
        """
        Have the parts of a child that would change this process do nothing.
        """
        super().setUp()
        self.done: list[Any] = []
        self.patch(posix, "_exit", exitWith)
        self.patch(posix, "setsid", lambda: self.done.append("session"))
        for name in ("signal", "set_wakeup_fd"):
            self.patch(sys.modules["_signal"], name, self.record(name))
        self.patch(resource, "setrlimit", self.record("limit"))
        self.there: Any = mock.Mock()
        self.server._executable = self.server._directory = self.there
        self.start: Any = mock.Mock()
        self.server._start = self.start
        self.server._environment = {b"A": b"1", b"B": b"1"}

    def record(self, name: str) -> Any:
        """
        Return something that remembers what it is called with.
        """
        return lambda *told: self.done.append((name, *told))

    def heard(self) -> tuple[Any, ...]:
        """
        Return what the daemon hears: kind, number, pid and value.
        """
        return REPORT.unpack(self.daemon.recv(1000))[:4]

    def test_execute(self) -> None:
        """
        What becomes the interpreter is as it was at the start, in its directory, with
        the variables of this program.
        """
        self.there.execute.side_effect = ExitedError
        self.assertRaises(ExitedError, self.server._execute, {b"B": b"2"})
        self.start.restore.assert_called_once_with()
        self.there.enter.assert_called_once_with()
        self.there.execute.assert_called_once_with([b"x"], {b"A": b"1", b"B": b"2"})

    def test_cannotExecute(self) -> None:
        """
        It ends with 127 if it cannot go there, or cannot become it.
        """
        for method in (self.there.execute, self.there.enter):
            method.side_effect = FileNotFoundError
            gone = self.assertRaises(ExitedError, self.server._execute, {})
            self.assertEqual(gone.args, (127,))

    def test_announce(self) -> None:
        """
        It says that it is there, and whether it is executed.
        """
        for cold in (False, True):
            self.server._announce(3, cold)
            self.assertEqual(self.heard(), (STARTED, 3, os.getpid(), cold))

    def test_announceFailure(self) -> None:
        """
        What cannot be executed is not started: the daemon hears that.
        """
        for things in ((False, True), (True, False)):
            executable: Any = mock.Mock()
            directory: Any = mock.Mock()
            executable.isThere.return_value, directory.isThere.return_value = things
            self.server._executable, self.server._directory = executable, directory
            gone = self.assertRaises(ExitedError, self.server._announce, 3, True)
            self.assertEqual(gone.args, (127,))
            self.assertEqual(self.heard(), (FAILED, 3, 0, errno.ENOENT))
            self.server._announce(3, False)
            self.assertEqual(self.heard(), (STARTED, 3, os.getpid(), 0))

    def be(self, number: int, cold: bool) -> Any:
        """
        Be a child.
        """
        self.patch(self.server, "_announce", self.record("announce"))
        self.patch(self.server, "_take", self.record("take"))
        self.patch(self.server, "_arrive", self.record("arrive"))
        self.server._before = ("handler", 7)
        return self.server._child(number, cold, [9], lambda: {b"B": b"2"})

    def test_warm(self) -> None:
        """
        A child of an order says that it is there, has a session and its signals, takes
        its client, and is what its program is.
        """
        program: Any = mock.Mock()
        program.enter.return_value = "call"
        self.server._program = program
        self.server._cpu = (50, 100)
        self.assertEqual(self.be(3, False), "call")
        wanted = [
            ("announce", 3, False),
            "session",
            ("signal", signal.SIGCHLD, "handler"),
            ("set_wakeup_fd", 7),
            ("take", [9]),
            ("limit", resource.RLIMIT_CPU, (50, 100)),
            ("arrive", {b"B": b"2"}),
        ]
        self.assertEqual(self.done, wanted)
        self.there.execute.assert_not_called()
        self.done.clear()
        self.server._cpu = None
        # One that was accepted here is announced by the process.
        self.be(0, False)
        self.assertEqual(self.done, [*wanted[1:5], wanted[6]])

    def test_cold(self) -> None:
        """
        One that is to be executed is nothing else before.
        """
        self.there.execute.side_effect = FileNotFoundError
        gone = self.assertRaises(ExitedError, self.be, 3, True)
        self.assertEqual(gone.args, (127,))
        self.assertNotIn("arrive", [each[0] for each in self.done])

    def test_worse(self) -> None:
        """
        Whatever goes wrong, it is executed, and if it is not, it ends.
        """
        program: Any = mock.Mock()
        program.enter.side_effect = ValueError
        self.server._program = program
        gone = self.assertRaises(ExitedError, self.be, 3, False)
        self.there.execute.assert_called_once_with([b"x"], {b"A": b"1", b"B": b"2"})
        self.assertEqual(gone.args, (127,))

    def test_take(self) -> None:
        """
        It has its client at 0, 1 and 2, the last descriptor for those that it has none
        for, and nothing of the process open.
        """
        copies: list[tuple[int, int]] = []
        self.patch(posix, "dup2", lambda *told: copies.append(told))
        for count in (1, 2, 3):
            self.listen()
            (listening,) = self.server._listening
            exits, wake = os.pipe()
            self.server._exits, self.server._wake = exits, wake
            channel = socket.socket()
            self.server._channel = channel
            fds = [os.open(os.devnull, os.O_RDWR) for _ in range(count)]
            ours = [listening, exits, wake, channel.fileno()]
            self.server._take(fds)
            self.assertFalse(any(map(self.isOpen, (*fds, *ours))))
            at = [fds[min(to, count - 1)] for to in range(3)]
            self.assertEqual(copies, list(zip(at, range(3))))
            copies.clear()
            self.server._listening.clear()


class PrepareTests(ServerTestCase):
    """
    Tests for what is done without a client, and what a child then is.
    """

    def setUp(self) -> None:
        """
        Leave this process as it is.
        """
        super().setUp()
        self.done: list[Any] = []
        for name in ("_limit", "_endWithDaemon"):
            self.patch(self.server, name, self.record(name))
        for name in ("collect", "freeze", "disable", "enable"):
            self.patch(gc, name, self.record(name))
        for thing, name in ((self.server._preloaded, "load"), (sys, "argv")):
            self.patch(thing, name, self.record(name))
        self.patch(sys, "path", ["/x"])
        self.patch(sys, "path_importer_cache", {"/x": None, "/y": None})
        self.patch(posix, "_exit", exitWith)
        self.streams: Any = mock.Mock()
        self.server._streams = self.streams
        self.count = 1
        self.patch(_warmhelper, "threads", lambda: self.count)
        for name in ("_child", "_server"):
            self.patch(_warmhelper, name, getattr(_warmhelper, name))

    def record(self, name: str) -> Any:
        """
        Return something that remembers what it is called with.
        """
        return lambda *told: self.done.append((name, *told))

    def prepare(self) -> None:
        """
        Do it.
        """
        self.server.prepare()
        for fd in (self.server._exits, self.server._wake):
            self.addCleanup(os.close, fd)

    def test_prepare(self) -> None:
        """
        It ends with the daemon while it imports; then it waits for ends of children,
        and collects no garbage.
        """
        self.server._hasFolder = True
        self.prepare()
        steps = [
            ("_limit",),
            ("_endWithDaemon", True),
            ("load", True),
            ("_endWithDaemon", False),
            ("disable",),
        ]
        self.assertEqual([each for each in self.done if each in steps], steps)
        self.assertIsNotNone(self.server._program._code)
        for fd in (self.server._exits, self.server._wake):
            self.assertFalse(os.get_blocking(fd) or os.get_inheritable(fd))
        os.write(self.server._wake, b"x")
        self.assertEqual(os.read(self.server._exits, 2), b"x")
        self.assertEqual(sys.path_importer_cache, {"/x": None})
        self.streams.flush.assert_called_once_with()

    def test_threads(self) -> None:
        """
        With a thread it ends.
        """
        self.count = 2
        gone = self.assertRaises(ExitedError, self.prepare)
        self.assertEqual(gone.args, (THREADED,))
        self.assertIn("has started a thread", self.told[0])
        for fd in (self.server._exits, self.server._wake):
            os.close(fd)

    def arrive(self, **more: Any) -> None:
        """
        Be a child.
        """
        self.server.collects = True
        for name, value in more.items():
            setattr(self.server, name, value)
        self.done.clear()
        self.server._arrive({b"INETDTW_TEST": b"2"})

    def test_arrive(self) -> None:
        """
        A child has its variables, arguments, path and streams, and collects garbage if
        it would.
        """
        self.addCleanup(os.environ.pop, "INETDTW_TEST", None)
        self.server._preloaded.path = ["/a"]
        self.arrive(_hasFolder=True)
        self.assertEqual(os.environ["INETDTW_TEST"], "2")
        self.assertEqual((sys.argv, sys.path), (["-c"], ["", "/a"]))
        self.assertEqual(self.done, [("enable",)])
        self.streams.renew.assert_called_once_with()
        self.assertIs(_warmhelper._child, True)
        self.assertIs(_warmhelper._server, self.server)
        self.server.collects = False
        self.done.clear()
        self.server._arrive({})
        self.assertEqual(self.done, [])

    def test_path(self) -> None:
        """
        The script's folder is in its path once, if the interpreter has it there.
        """
        self.addCleanup(os.environ.pop, "INETDTW_TEST", None)
        for hasFolder, placed, path in (
            (True, False, ["", "/a"]),
            (True, True, ["/a"]),
            (False, False, ["/a"]),
        ):
            self.server._preloaded.path = ["/a"]
            self.server._preloaded.placed = placed
            self.arrive(_hasFolder=hasFolder)
            self.assertEqual(sys.path, path)

    def test_withoutOs(self) -> None:
        """
        Where C{os} was not imported, it finds the variables when it is.
        """
        modules = dict(sys.modules)
        del modules["os"]
        put: list[tuple[bytes, bytes]] = []
        known: dict[bytes, bytes] = {}
        self.patch(posix, "putenv", lambda *told: put.append(told))
        self.patch(posix, "environ", known)
        with mock.patch.object(sys, "modules", modules):
            self.arrive()
        self.assertEqual(known, {b"INETDTW_TEST": b"2"})
        self.assertEqual(put, [(b"INETDTW_TEST", b"2")])


class StartTests(FolderTestCase):
    """
    Tests for what a process and what it executes have.
    """

    def test_version(self) -> None:
        """
        A text is known by its remainder.
        """
        prime = 2**64 - 59
        self.assertEqual(version(prime.to_bytes(8, "little")), 0)
        self.assertEqual(version((prime - 1).to_bytes(8, "little")), prime - 1)
        self.assertEqual(version((prime + 2).to_bytes(9, "little")), 2)

    def test_isYoung(self) -> None:
        """
        A file is young for a tenth of a second after its last change of either kind;
        one that is not there is not.
        """
        billion = 10**9
        self.patch(time, "time", lambda: 1e9 + 0.05)
        for written, changed, young in (
            (billion * billion, 0, True),
            (0, billion * billion, True),
            (billion * billion - billion // 10, 0, False),
        ):
            self.assertIs(isYoung((1, 2, 3, 4, written, changed)), young)
        self.assertFalse(isYoung(None))

    def test_longWay(self) -> None:
        """
        As many links are followed as the kernel does.
        """
        folder = self.folder.path
        os.mkdir(f"{folder}/end")
        self.write("end/script", "")
        target = "end/script"
        for number in range(40):
            os.symlink(target, f"{folder}/{number}")
            target = str(number)
        os.stat(f"{folder}/39")
        self.assertEqual(Way(f"{folder}/39").folder, f"{folder}/end")

    def test_signals(self) -> None:
        """
        Signals that were ignored at the start are, all others are not; those that the
        interpreter ignores itself are not counted.
        """
        first, last = signal.SIGHUP, signal.NSIG - 1
        does: dict[int, Any] = {first: signal.SIG_IGN, signal.SIGPIPE: signal.SIG_IGN}
        signals: Any = sys.modules["_signal"]
        self.patch(signals, "getsignal", lambda number: does.get(number))
        self.patch(signals, "signal", does.__setitem__)
        masks: list[Any] = []

        def mask(how: int, which: Any) -> Any:
            masks.append((how, which))
            return {signal.SIGUSR1}

        self.patch(signals, "pthread_sigmask", mask)
        umasks: list[int] = []

        def umask(value: int) -> int:
            umasks.append(value)
            return 0o27

        self.patch(posix, "umask", umask)
        start = Start()
        self.assertEqual((masks, umasks), ([(signal.SIG_BLOCK, ())], [0, 0o27]))
        does.update({signal.SIGTERM: signal.SIG_IGN, last: signal.SIG_IGN})
        start.restore()
        ignored = [number for number in does if does[number] == signal.SIG_IGN]
        self.assertEqual(ignored, [first])
        self.assertEqual(masks[1:], [(signal.SIG_SETMASK, {signal.SIGUSR1})])
        self.assertEqual(umasks[2:], [0o27])
        # One that was not ignored then but is now, though it is the first.
        does[first] = signal.SIG_DFL
        start = Start()
        does[first] = signal.SIG_IGN
        start.restore()
        self.assertEqual(does[first], signal.SIG_DFL)

    def test_directory(self) -> None:
        """
        A process goes to its directory, and knows when there is another or none.
        """
        self.addCleanup(os.chdir, os.getcwd())
        one = self.folder.child("one")
        one.makedirs()
        directory = Directory(one.path)
        self.assertEqual(os.getcwd(), one.path)
        self.assertTrue(directory.same() and directory.isThere())
        one.moveTo(self.folder.child("two"))
        self.assertFalse(directory.same() or directory.isThere())
        one.makedirs()
        self.assertFalse(directory.same())
        self.assertTrue(directory.isThere())
        directory.enter()
        self.assertEqual(os.stat("."), os.stat(one.path))
        one.remove()
        self.assertRaises(FileNotFoundError, directory.enter)

    def test_unknownDirectory(self) -> None:
        """
        If its directory has no path, it stays where it is, and takes it to be there.
        """
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.path)
        directory = Directory("")
        self.assertEqual(os.getcwd(), self.folder.path)
        os.chdir("/")
        self.assertTrue(directory.same() and directory.isThere())
        directory.enter()
        self.assertEqual(os.getcwd(), self.folder.path)
        self.folder.child("gone").makedirs()
        os.chdir(f"{self.folder.path}/gone")
        os.rmdir(f"{self.folder.path}/gone")
        directory = Directory("")
        directory.enter()
        self.assertTrue(directory.same() and directory.isThere())
        self.assertEqual(Script(["script.py"])._path, "script.py")
        self.assertEqual(Module(["-m", "x"]).folder(), "/")

    def test_alreadyThere(self) -> None:
        """
        It goes nowhere if it is there, which it might not be allowed to.
        """
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.path)
        moved: list[str] = []
        self.patch(posix, "chdir", moved.append)
        Directory(self.folder.path)
        self.assertEqual(moved, [])

    def test_executed(self) -> None:
        """
        Paths are tried in turn; why the last was not executed is the reason, and any
        other reason than that there is nothing to execute ends the search.
        """
        tried: list[Any] = []
        reasons = {b"a": errno.ENOENT, b"b": errno.ENOTDIR, b"c": errno.EACCES}

        def execve(path: bytes, *told: Any) -> None:
            tried.append((path, *told))
            raise OSError(reasons.get(path, errno.ENOEXEC), "x")

        self.patch(posix, "execve", execve)
        executable = Executable([b"a", b"b", b"c", b"d"])
        why = self.assertRaises(OSError, executable.execute, [b"x"], {b"A": b"1"})
        self.assertEqual(why.errno, errno.ENOEXEC)
        self.assertEqual(
            tried, [(path, [b"x"], {b"A": b"1"}) for path in b"a b c d".split()]
        )
        tried.clear()
        why = self.assertRaises(OSError, Executable([b"d", b"a"]).execute, [b"x"], {})
        self.assertEqual((why.errno, len(tried)), (errno.ENOEXEC, 1))

    def test_high(self) -> None:
        """
        A descriptor is moved as high as may be, and no program inherits it; one that
        cannot be moved stays.
        """
        control = fcntl.fcntl
        for most, least in ((1000, 400), (300, 100), (50, 30), (10, 0)):

            def limited(fd: int, command: int, value: int = 0, most: int = most) -> int:
                if value > most:
                    raise OSError(errno.EINVAL, "x")
                return int(control(fd, command, value))

            fd = os.open(os.devnull, os.O_RDONLY)
            os.set_inheritable(fd, True)
            with mock.patch.object(fcntl, "fcntl", limited):
                moved = _warmhelper.high(fd)
            self.assertGreaterEqual(moved, least)
            self.assertFalse(os.get_inheritable(moved))
            if least:
                self.assertRaises(OSError, os.fstat, fd)
            else:
                self.assertEqual(moved, fd)
            os.close(moved)

    def test_channel(self) -> None:
        """
        The channel is moved away from 1; where there is no C{/dev/null}, sockets take
        the place of it.
        """
        copies: list[tuple[int, int]] = []
        opened: list[int] = []
        dup, opens = os.dup, os.open

        def openNull(*told: Any) -> int:
            opened.append(opens(*told))
            return opened[-1]

        def noNull(*told: Any) -> int:
            raise FileNotFoundError

        one, other = os.pipe()
        self.addCleanup(os.close, one)
        self.addCleanup(os.close, other)
        asked: list[int] = []

        def copied(fd: int) -> int:
            asked.append(fd)
            return dup(one)

        self.patch(posix, "dup", copied)
        self.patch(posix, "dup2", lambda *told: copies.append(told))
        self.patch(posix, "open", openNull)
        channel = _warmhelper.takeChannel()
        self.assertTrue(os.path.sameopenfile(channel, one))
        os.close(channel)
        self.assertEqual((asked, copies), ([1], [(opened[0], 0), (opened[0], 1)]))
        self.assertRaises(OSError, os.fstat, opened[0])
        copies.clear()
        self.patch(posix, "open", noNull)
        sockets: Any = sys.modules["_socket"]
        pair, made = sockets.socketpair, list[Any]()

        def makePair() -> Any:
            made.extend(pair())
            return tuple(made)

        self.patch(sockets, "socketpair", makePair)
        os.close(_warmhelper.takeChannel())
        (fd, first), (same, second) = copies
        self.assertEqual((fd, first, second), (same, 0, 1))
        self.assertEqual([each.fileno() for each in made], [-1, -1])

    def test_threads(self) -> None:
        """
        Threads are counted in C{/proc}, or else as far as they are known.
        """
        self.assertEqual(_warmhelper.threads(), len(os.listdir("/proc/self/task")))

        def nothing(path: str) -> list[str]:
            raise FileNotFoundError

        self.patch(posix, "listdir", nothing)
        self.patch(sys.modules["threading"], "active_count", lambda: 3)
        self.assertEqual(_warmhelper.threads(), 3)
        modules = {**sys.modules}
        del modules["threading"]
        self.patch(sys, "modules", modules)
        self.assertEqual(_warmhelper.threads(), 1)


class EnterTests(FolderTestCase):
    """
    Tests for what a program finds when it begins.
    """

    def setUp(self) -> None:
        """
        Leave the main module of this process alone.
        """
        super().setUp()
        self.patch(sys, "modules", dict(sys.modules))
        self.patch(sys, "path_importer_cache", {})
        self.patch(time, "time", lambda: 1e12)

    def test_script(self) -> None:
        """
        A script has its name, its loader and the builtins, and nothing of another.
        """
        path = self.write("s.py", "x = __name__\n")
        script = Script([path])
        script.refresh()
        call, (code, names) = script.enter()
        self.assertEqual(sys.path_importer_cache, {path: None})
        self.assertIs(vars(sys.modules["__main__"]), names)
        call(code, names)
        self.assertEqual((names["x"], names["__file__"]), ("__main__", path))
        self.assertIn("__cached__", names)
        self.assertEqual(names["__loader__"].path, path)
        script.left()
        self.assertNotIn("__file__", names)
        self.assertNotIn("__cached__", names)

    def test_left(self) -> None:
        """
        What it finds at its end depends on the version.
        """
        script = Script(["/x.py"])
        for number, left in (((3, 7, 9), True), ((3, 8, 0), False)):
            main = type(sys)("__main__")
            vars(main).update(__file__="x", __cached__=None)
            sys.modules["__main__"] = main
            self.patch(_warmhelper, "_VERSION", number)
            script.left()
            self.assertFalse(hasattr(main, "__file__"))
            self.assertEqual(hasattr(main, "__cached__"), left)
        del sys.modules["__main__"]
        script.left()

    def test_name(self) -> None:
        """
        The name of a script is absolute from 3.9 on.
        """
        for number, name in (
            ((3, 8, 9), "s.py"),
            ((3, 9, 0), f"{os.getcwd()}/s.py"),
        ):
            self.patch(_warmhelper, "_VERSION", number)
            self.assertEqual(Script(["s.py"])._name, name)

    def test_main(self) -> None:
        """
        The main module has annotations before 3.14, and is that of C{multiprocessing}
        if that was the one before.
        """
        for number, has in (((3, 13, 9), True), ((3, 14, 0), False)):
            self.patch(_warmhelper, "_VERSION", number)
            before = sys.modules["__main__"]
            sys.modules["__mp_main__"] = before
            names = _warmhelper.freshMain("loader")
            main = sys.modules["__main__"]
            self.assertIs(names, vars(main))
            self.assertIsNot(main, before)
            self.assertIs(sys.modules["__mp_main__"], main)
            self.assertEqual(names.get("__annotations__", 1) == {}, has)
            self.assertEqual(names["__loader__"], "loader")
            self.assertIs(names["__builtins__"], builtins)
        other: Any = type(sys)("other")
        sys.modules["__mp_main__"] = other
        _warmhelper.freshMain("loader")
        self.assertIs(sys.modules["__mp_main__"], other)
        del sys.modules["__mp_main__"]
        _warmhelper.freshMain("loader")
        self.assertNotIn("__mp_main__", sys.modules)

    def test_coding(self) -> None:
        """
        Code can say in which encoding it is before 3.10.
        """
        for number, said in (((3, 9, 9), "Ã¤"), ((3, 10, 0), "ä")):
            self.patch(_warmhelper, "_VERSION", number)
            command = Command(["-c", "# coding: latin-1\nx = 'ä'"])
            command.refresh()
            call, (code, names) = command.enter()
            call(code, names)
            self.assertEqual(names["x"], said)

    def test_warned(self) -> None:
        """
        What the compiler had to say is said to each client, and only then.
        """
        for words, kind in ((["-c", "1"], Command), ([self.write("s.py", "")], Script)):
            program = kind(words)
            program.refresh()
            for warnings in ("", "x is odd\n"):
                program._warnings = warnings
                stderr: Any = mock.Mock()
                with mock.patch.object(sys, "stderr", stderr):
                    program.enter()
                    program.enter()
                said = [each.args[0] for each in stderr.write.mock_calls]
                self.assertEqual(said, [warnings] * 2 if warnings else [])

    def test_module(self) -> None:
        """
        A module is run by the library, with a main module of its own.
        """
        before = sys.modules["__main__"]
        module = Module(["-m", "json.tool"])
        self.assertEqual(module.folder(), os.getcwd())
        call, told = module.enter()
        self.assertEqual(call.__name__, "_run_module_as_main")
        self.assertEqual(told, ("json.tool", True))
        self.assertIsNot(sys.modules["__main__"], before)

    def test_packages(self) -> None:
        """
        What a package imports is what its main module does.
        """
        os.mkdir(f"{self.folder.path}/warmpack")
        self.write("warmpack/__init__.py", "import json\n")
        self.write("warmpack/__main__.py", "import sched\n")
        self.patch(sys, "path", [self.folder.path, *sys.path])
        self.patch(sys, "dont_write_bytecode", True)
        module = Module(["-m", "warmpack"])
        module.findImports()
        self.assertEqual(module.imports, [("sched", ())])
        module = Module(["-m", "warmpack.none"])
        self.assertRaises(ModuleNotFoundError, module.findImports)

    def test_compiled(self) -> None:
        """
        What the compiler imports to warn is not left behind, and standard error is what
        it was.
        """
        before, modules = sys.stderr, set(sys.modules)

        def noisy(*told: Any) -> None:
            sys.modules["warmadded"] = sys
            sys.stderr.write("odd")
            raise SyntaxError("x")

        with mock.patch.object(_warmhelper, "compile", noisy, create=True):
            self.assertRaises(SyntaxError, _warmhelper.compiled, "x", "x")
        self.assertIs(sys.stderr, before)
        self.assertEqual(set(sys.modules), modules)
