# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Test cases for warm processes."""

from __future__ import annotations

import io
import os
import posix
import resource
import select
import socket
import sys
import time
from typing import Any

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.connection import packPeer
from inetdtw.helpers.reports import CONNECTION, REPORT, Reports
from inetdtw.helpers.requests import ACCEPT, HEADER
from inetdtw.helpers.warm import children, template
from inetdtw.helpers.warm.coldstart import ColdStart, WorkingDirectory
from inetdtw.helpers.warm.program import CommandString
from inetdtw.helpers.warm.server import Server
from inetdtw.test.fakes import PATIENCE, ServingTestCase

#: The id of no process.
PID = (1 << 22) + 77


class ExitedError(Exception):
    """The process would have exited."""


def exitWith(status: int) -> None:
    """
    Raise instead of exiting.

    @raise ExitedError: always, with the status.
    """
    raise ExitedError(status)


class DirectoryTestCase(SynchronousTestCase):
    """
    A test with a directory of its own.

    @ivar directory: its path, without symbolic links.
    """

    def setUp(self) -> None:
        """Make the directory."""
        super().setUp()
        self.directory = FilePath(os.path.realpath(self.mktemp()))
        self.directory.makedirs()

    def write(self, name: str, text: str) -> str:
        """
        Write a file with an old mtime.

        @return: its path.
        """
        file = self.directory.preauthChild(name)
        file.setContent(text.encode())
        os.utime(file.path, (1e9, 1e9))
        return str(file.path)


class Full(io.StringIO):
    """A stream that cannot be flushed."""

    def flush(self) -> None:
        """Raise an L{OSError}."""
        raise OSError("full")


class Noisy(io.StringIO):
    """A stream that notes when it is flushed."""

    def __init__(self, flushed: list[str], name: str) -> None:
        """@param flushed: gets the C{name} at each flush."""
        super().__init__()
        self._flushed = flushed
        self._name = name

    def flush(self) -> None:
        """Note the name of the stream."""
        self._flushed.append(self._name)


class StderrTestCase(SynchronousTestCase):
    """
    A test that reads standard error, and in which nothing exits.

    @ivar stderr: what is written to standard error.
    """

    def setUp(self) -> None:
        """Replace standard error."""
        super().setUp()
        self.stderr = io.StringIO()
        self.patch(sys, "stderr", self.stderr)
        self.patch(posix, "_exit", exitWith)

    def printed(self) -> str:
        """Return what was written to standard error, and forget it."""
        found = self.stderr.getvalue()
        self.stderr.seek(0)
        self.stderr.truncate()
        return found


def report(kind: int, number: int, pid: int, value: int) -> bytes:
    """Return a report without processor time."""
    return REPORT.pack(kind, number, pid, value, 0)


def connection(
    kind: int, number: int, value: int, detail: int = 0, peer: Any = None
) -> bytes:
    """Return a report about a connection."""
    port, packed = packPeer(peer)
    return CONNECTION.pack(kind, detail, port, number, value, packed)


class Recorder(Reports):
    """Reports that a test can look at."""

    def take(self) -> list[bytes]:
        """Return the reports that were not sent, and forget them."""
        found = self.records()
        self._reports.clear()
        return found


class ServerTestCase(ServingTestCase):
    """
    A test with a L{Server} in this process, where nothing forks or exits.

    @ivar server: the server.
    @ivar template: its template.
    @ivar cold: the cold start of its program.
    @ivar recorder: its reports.
    @ivar daemon: the other end of its socket.
    @ivar forks: what fork(2) returns, in order: process ids, or the errors to raise.
    @ivar exited: what waitpid(2) returns, in order: process ids and wait statuses.
    @ivar slept: for how long it has slept.
    @ivar lines: the lines that it has logged.
    """

    def setUp(self) -> None:
        """Make the server."""
        super().setUp()
        daemon, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.daemon = self.closing(daemon)
        self.daemon.settimeout(PATIENCE)
        self.channel = self.closing(theirs)
        # From 3.13 on, code needs a module that is not preloaded here.
        self.patch(CommandString, "needs", ())
        self.recorder = Recorder(theirs)
        self.cold = ColdStart(WorkingDirectory(""), [b"/x"], [b"x"])
        self.template = template.Template(
            CommandString(["-c", "1"]), self.cold, "", self.recorder
        )
        self.limit = self.template.limit
        usage = resource.struct_rusage([0.0] * 16)
        self.patch(resource, "getrusage", lambda who: usage)
        self.server = Server(theirs, self.recorder, self.template)
        self.signal = self.server._signal
        self.addCleanup(self.closeAll)
        self.forks: list[int | OSError] = []
        self.slept: list[float] = []
        self.lines: list[str] = []
        self.exited: list[tuple[int, int]] = []
        self.now = 0.0
        self.patch(posix, "fork", self.fork)
        self.patch(posix, "waitpid", self.waitpid)
        self.patch(posix, "_exit", exitWith)
        self.patch(time, "sleep", self.sleep)
        self.patch(time, "monotonic", lambda: self.now)
        for module in (children, template):
            self.patch(module, "log", self.lines.append)
        # This process goes on.
        self.patch(self.template, "freeze", lambda: None)

    def closeAll(self) -> None:
        """Close the self-pipe and the delegated sockets, unless the test has."""
        for fd in filter(self.isOpen, self.signal.fds):
            os.close(fd)
        for _, listening in self.server._listeners.sockets.values():
            listening.close()

    def fork(self) -> int:
        """Return the next of L{forks}."""
        found = self.forks.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def waitpid(self, pid: int, options: int) -> tuple[int, int]:
        """Return the next of L{exited}."""
        self.assertEqual((pid, options), (-1, os.WNOHANG))
        if not self.exited:
            raise ChildProcessError
        return self.exited.pop(0)

    def sleep(self, seconds: float) -> None:
        """Advance the monotonic clock."""
        self.slept.append(seconds)
        self.now += seconds

    def isOpen(self, fd: int) -> bool:
        """Return whether a descriptor is open."""
        try:
            os.fstat(fd)
        except OSError:
            return False
        return True

    def listen(self, number: int = 5, most: int = 0) -> socket.socket:
        """
        Delegate a listening socket to the server.

        @return: the daemon's own descriptor of it.
        """
        listening = self.closing(socket.create_server(("127.0.0.1", 0)))
        listening.setblocking(False)
        self.delegate(listening, number, most)
        return listening

    def delegate(
        self, listening: socket.socket, number: int = 5, most: int = 0
    ) -> None:
        """Delegate a listening socket to the server."""
        head = HEADER.pack(ACCEPT, False, 1, number, most, 0)
        socket.send_fds(self.daemon, [head], [listening.fileno()])
        self.assertIsNone(self.receive())

    def receive(self) -> Any:
        """Send a packet of the daemon, and handle it."""
        return self.server._ready(self.channel.fileno())

    def listening(self) -> dict[int, int]:
        """Return the descriptors of the delegated sockets, by their numbers."""
        sockets = self.server._listeners.sockets
        return {number: fd for fd, (number, _) in sockets.items()}

    def accept(self) -> None:
        """Accept a connection from the first socket."""
        fd = next(iter(self.listening().values()))
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        self.assertEqual(len(poll.poll(PATIENCE * 1000)), 1)
        self.assertIsNone(self.server._accept(fd))

    def reap(self, *exited: tuple[int, int]) -> None:
        """Report the exits of children, with their wait statuses."""
        self.exited = list(exited)
        self.server._children.reap()

    def reports(self) -> list[bytes]:
        """Return the reports that were not sent, and forget them."""
        return self.recorder.take()
