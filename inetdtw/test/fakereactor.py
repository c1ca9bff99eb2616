# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A reactor that reads when a test says so, and processes that a test lets exit."""

from __future__ import annotations

import inspect
import os
import select
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.error import (
    ConnectionDone,
    ProcessDone,
    ProcessExitedAlready,
    ProcessTerminated,
)
from twisted.internet.interfaces import (
    IProcessProtocol,
    IProcessTransport,
    IReadDescriptor,
)
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from inetdtw.helpers import acceptor

#: The seconds after which something is taken not to happen.
PATIENCE = 30.0
#: The process id of the first fake process: more than any system has.
FIRST_PID = 1 << 22


@implementer(IProcessTransport)
class FakeProcess:
    """
    A process that was spawned, and runs until a test calls L{exit}.

    @ivar protocol: its C{ProcessProtocol}.
    @ivar executable: the executable.
    @ivar args: its arguments.
    @ivar env: its environment.
    @ivar path: its working directory.
    @ivar uid: the user id, if it was to be changed.
    @ivar gid: the group id, if it was to be changed.
    @ivar fds: a duplicate of each descriptor that it was given, by its number in
        the process; closed when it exits.
    @ivar pipes: the descriptors that it was to have a pipe for, with the mode.
    @ivar written: what was written to its descriptors; C{None} where one was closed.
    @ivar signals: the signals that it was sent.
    @ivar left: whether its pipes were closed.
    """

    left = False

    def __init__(
        self,
        pid: int,
        protocol: IProcessProtocol,
        executable: str,
        args: Sequence[str],
        env: Any,
        path: str | None,
        identity: tuple[int | None, int | None],
        childFDs: dict[int, Any],
    ) -> None:
        """Duplicate the descriptors in C{childFDs}."""
        self.pid: int | None = pid
        self.protocol = protocol
        self.executable = executable
        self.args = list(args)
        self.env = env
        self.path = path
        self.uid, self.gid = identity
        self.pipes = {to: fd for to, fd in childFDs.items() if isinstance(fd, str)}
        self.fds = {
            to: os.dup(fd) for to, fd in childFDs.items() if not isinstance(fd, str)
        }
        self.written: dict[int, list[bytes | None]] = {}
        self.signals: list[str | int] = []
        self.exited = False

    def exit(self, status: int = 0, number: int | None = None) -> None:
        """
        Exit, and notify the protocol.

        @param status: the exit status.
        @param number: the signal that kills it, if one does.
        """
        self.close()
        self.exited = True
        word = status << 8 if number is None else number
        why: Exception
        if word:
            why = ProcessTerminated(status if number is None else None, number, word)
        else:
            why = ProcessDone(word)
        self.protocol.processExited(Failure(why))
        self.protocol.processEnded(Failure(why))

    def close(self) -> None:
        """Close the descriptors."""
        while self.fds:
            os.close(self.fds.popitem()[1])

    def signalProcess(self, signalID: str | int) -> None:
        """Record a signal."""
        if self.exited:
            raise ProcessExitedAlready()
        self.signals.append(signalID)

    def closeStdin(self) -> None:
        """Do nothing."""

    def closeStdout(self) -> None:
        """Do nothing."""

    def closeStderr(self) -> None:
        """Do nothing."""

    def closeChildFD(self, descriptor: int) -> None:
        """Record that a descriptor was closed."""
        self.written.setdefault(descriptor, []).append(None)

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Record what was written."""
        self.written.setdefault(childFD, []).append(data)

    def write(self, data: bytes) -> None:
        """Do nothing."""

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Do nothing."""

    def loseConnection(self) -> None:
        """Record that the pipes were closed."""
        self.left = True

    def getPeer(self) -> Any:
        """Return no address."""

    def getHost(self) -> Any:
        """Return no address."""


def acceptOne(process: FakeProcess) -> None:
    """
    Accept a connection as L{acceptor} does, if the process runs that.

    Nothing happens unless a connection is requested, and one is there.
    """
    fds = process.fds
    if acceptor.CHANNEL not in fds or inspect.getsource(acceptor) not in (process.args):
        return
    wanted = [(fds[acceptor.CHANNEL], select.POLLIN), (fds[0], select.POLLIN)]
    for fd, event in wanted:
        poll = select.poll()
        poll.register(fd, event)
        if not poll.poll(0):
            return
    channel = socket.socket(fileno=os.dup(fds[acceptor.CHANNEL]))
    service = socket.socket(fileno=os.dup(fds[0]))
    with channel, service:
        if channel.recv(1):
            acceptor.answerOne(service, channel, threading.Lock())


class FakeReactor(MemoryReactorClock):
    """
    A reactor that reads, and whose clock advances, on demand.

    @ivar processes: what was spawned.
    @ivar spawnFailure: what every attempt to spawn raises, if anything.
    @ivar adopted: a duplicate of each connection that was adopted, with its factory.
    @ivar adoptFailure: what every attempt to adopt one raises, if anything.
    @ivar fromThreads: what is to be called in the next L{turn}.
    @ivar ended: the signals that it stops on.
    """

    def __init__(self) -> None:
        """Start with nothing to read."""
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.spawnFailure: OSError | None = None
        self.adopted: list[tuple[socket.socket, Any]] = []
        self.adoptFailure: OSError | None = None
        self.fromThreads: list[Callable[[], None]] = []
        self.ended: list[int] = []
        self._numbers: dict[IReadDescriptor, int] = {}

    def sigTerm(self, number: int) -> None:
        """Stop on a signal."""
        self.ended.append(number)

    sigInt = sigTerm

    def addReader(self, reader: IReadDescriptor) -> None:
        """Read something, whose descriptor must not change until it is removed."""
        super().addReader(reader)
        self._numbers.setdefault(reader, reader.fileno())

    def removeReader(self, reader: IReadDescriptor) -> None:
        """
        Stop reading.

        @raise AssertionError: if its descriptor has changed: a real reactor knows
            readers by their descriptors.
        """
        super().removeReader(reader)
        number = self._numbers.pop(reader, None)
        if number is not None and reader.fileno() not in (number, -1):
            raise AssertionError(f"it was read as {number}, and is {reader.fileno()}")

    def spawnProcess(
        self,
        processProtocol: IProcessProtocol,
        executable: str | bytes,
        args: Sequence[str | bytes] = (),
        env: Any = None,
        path: str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,
        childFDs: dict[int, Any] | None = None,
    ) -> FakeProcess:
        """Remember a process, with C{str} for all that is C{bytes}."""
        if self.spawnFailure is not None:
            raise self.spawnFailure
        process = FakeProcess(
            FIRST_PID + len(self.processes),
            processProtocol,
            os.fsdecode(executable),
            [os.fsdecode(each) for each in args],
            env and {os.fsdecode(k): os.fsdecode(v) for k, v in env.items()},
            path,
            (uid, gid),
            {0: "w", 1: "r", 2: "r"} if childFDs is None else childFDs,
        )
        self.processes.append(process)
        processProtocol.makeConnection(process)
        return process

    def adoptStreamConnection(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> None:
        """Record a connection."""
        if self.adoptFailure is not None:
            raise self.adoptFailure
        # The caller closes its own descriptor.
        connection = socket.socket(fileno=os.dup(fileDescriptor))
        self.adopted.append((connection, factory))

    def callFromThread(
        self, callable: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Remember a call for the next L{turn}."""
        self.fromThreads.append(lambda: callable(*args, **kwargs))

    def turn(self, seconds: float = 0.0) -> bool:
        """
        Do one reactor iteration: read everything that is readable.

        @param seconds: how long to wait for something, in real time.

        @return: whether there was anything.
        """
        calls, self.fromThreads = self.fromThreads, []
        for call in calls:
            call()
        for process in self.processes:
            acceptOne(process)
        poll = select.poll()
        readers = {reader.fileno(): reader for reader in self.getReaders()}
        for fd in readers:
            poll.register(fd, select.POLLIN)
        ready = [readers[fd] for fd, _ in poll.poll(seconds * 1000)]
        for reader in ready:
            # The reader before it may have removed it.
            if reader in self.readers:
                reader.doRead()
        return bool(ready or calls)

    def turnUntil(self, condition: Callable[[], bool]) -> None:
        """
        Iterate until a condition holds.

        @raise AssertionError: if it does not hold within L{PATIENCE}.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("the condition never held")
            self.turn(0.01)

    def settle(self) -> None:
        """Iterate until there is nothing to read."""
        while self.turn():
            pass  # Reading is the point.

    def disconnect(self) -> None:
        """Disconnect all readers, as a reactor that stops."""
        for reader in self.getReaders():
            self.removeReader(reader)
            reader.connectionLost(Failure(ConnectionDone()))

    def close(self) -> None:
        """Close all descriptors."""
        self.disconnect()
        for process in self.processes:
            process.close()
        for connection, _ in self.adopted:
            connection.close()
