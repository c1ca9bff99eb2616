# -*- test-case-name: inetdtw.test.test_warmprocess -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of one warm process.

It is a program like any other, started by a launcher of its context, with a socket to
the daemon as its standard input.  Whoever has the other end of that socket is the
process, or a child of it that has not said yet that it is there.  So when the socket
ends, it is certain which orders have no child and never will: they are started cold,
with the descriptors that were kept for that.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw import _warmhelper, watch
from inetdtw._accepting import unpackAddress
from inetdtw._warmhelper import ACCEPT, HEADER, MOST, REPORT, WITHDRAW
from inetdtw.complaints import Complaints
from inetdtw.interfaces import Exit, IChild, ILauncher, Order
from inetdtw.total import Share, Total

#: Orders that one process may have before it.
IN_FLIGHT = 4


class Kept:
    """
    An order with descriptors of its own, until it is known that it has a child.
    """

    def __init__(self, child: Any, order: Order) -> None:
        """
        @raise OSError: if there are no descriptors left.
        """
        self.child = child
        self._own: list[int] = []
        try:
            for fd in dict.fromkeys(order.fds):
                self._own.append(os.dup(fd))
        except OSError:
            self.close()
            raise
        own = dict(zip(dict.fromkeys(order.fds), self._own))
        first, second, third = (own[fd] for fd in order.fds)
        self.order = replace(order, fds=(first, second, third))

    def close(self) -> None:
        """
        It has a child, or never will.
        """
        while self._own:
            os.close(self._own.pop())


class Accepting:
    """
    A listening socket that the process accepts from.

    @ivar watcher: an L{inetdtw.interfaces.IAccepting}.
    @ivar free: called when it does not accept any more, as it should not.
    """

    def __init__(self, watcher: Any) -> None:
        self.watcher = watcher
        self.free: Callable[[], None] | None = None


@implementer(IReadDescriptor, IChild)
class WarmProcess:
    """
    One warm process.

    @ivar up: whether it has said that it is ready, and is still there.
    @ivar pid: its process id, once it is known.
    @ivar share: what it may start by itself.
    """

    warm: bool | None = None

    def __init__(
        self,
        owner: Any,
        reactor: Any,
        complaints: set[Complaints],
        total: Total | None = None,
    ) -> None:
        """
        @param owner: is told: C{ready(process)}, C{stale(process)}, C{notify()},
            C{said(process, line)}, C{left(child, order)} of what has to be started
            cold, C{lost(process)} when it takes no orders any more, and
            C{gone(process, reason, status)} when it has ended.
        @param total: what counts the programs of all services.
        """
        self.share = Share(Total() if total is None else total)
        self._owner = owner
        self._reactor = reactor
        self._others = complaints
        self._channel: socket.socket | None = None
        self._complaints: Complaints | None = None
        self._waiting: OrderedDict[int, Kept] = OrderedDict()
        self._running: dict[int, Any] = {}
        self._orphans: dict[int, Any] = {}
        self._accepting: dict[int, Accepting] = {}
        self._number = 0
        self._peer: Any = None
        self._retiring = False
        self._how: str | None = None
        self._status: int | None = None
        self.up = False
        self.pid: int | None = None

    @property
    def load(self) -> int:
        """
        How many orders it has before it.
        """
        return len(self._waiting)

    def start(
        self, launcher: ILauncher, executable: str, argv: Sequence[str], order: Order
    ) -> None:
        """
        Start it.

        @param launcher: the launcher of its context.
        @param executable: the interpreter.
        @param argv: its arguments.
        @param order: a cold start.
        """
        with contextlib.ExitStack() as stack:
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                stack.callback(theirs.close)
                self._channel = ours
                ours.setblocking(False)
                source = os.open(_warmhelper.__file__, os.O_RDONLY)
                stack.callback(os.close, source)
                self._complaints = Complaints(self._reactor, self._others)
                fds = (theirs.fileno(), source, self._complaints.given)
            except OSError as why:
                self.failed(why.strerror or str(why))
                return
            self._reactor.addReader(self)
            started = Order(executable, tuple(argv), order.environment, {}, fds)
            launcher.launch(self, started)

    def started(self, pid: int) -> None:
        """
        The interpreter runs.
        """
        self.pid = pid
        if self._complaints is not None:
            self._complaints.start(lambda line: self._owner.said(self, line))

    def failed(self, reason: str) -> None:
        """
        The interpreter could not be started.
        """
        self._how = reason
        self._end()

    def ended(self, how: Exit) -> None:
        """
        The process has ended.
        """
        self._how, self._status = str(how), how.status
        # Its last children may not have said that they are there.
        while self._channel is not None and self._receive():
            """What it reported still holds."""
        self._end()

    def repeated(self, how: Exit) -> Any:
        """
        It is never started again by itself.
        """
        raise AssertionError(how)

    def fileno(self) -> int:
        """
        The daemon's end of the socket.
        """
        return -1 if self._channel is None else self._channel.fileno()

    def logPrefix(self) -> str:
        """
        The name of this reader for the reactor.
        """
        return "warm process"

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor stops, and with it this process.
        """

    def order(self, child: Any, order: Order) -> None:
        """
        Have it fork.

        @raise OSError: if it cannot be asked for that.
        """
        if self._channel is None:
            raise BrokenPipeError
        kept = Kept(child, order)
        extra = "\0".join(f"{name}={value}" for name, value in order.extra.items())
        number = self._next()
        fds = list(order.fds) if len(set(order.fds)) > 1 else [order.fds[0]]
        packet = [HEADER.pack(number, 0), os.fsencode(extra)]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        try:
            self._channel.sendmsg(packet, rights)
        except OSError:
            kept.close()
            raise
        self._waiting[number] = kept

    def accept(self, number: int, watcher: Any, fd: int) -> bool:
        """
        Have it accept from a socket.

        @return: whether it could be asked to.
        """
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        if self._channel is None:
            return False
        try:
            head = HEADER.pack(number, ACCEPT) + MOST.pack(self.share.most)
            self._channel.sendmsg([head], rights)
        except OSError:
            return False
        self.share.hold()
        self._accepting[number] = Accepting(watcher)
        return True

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Have it accept from a socket no more.

        @param free: called when that is so.
        """
        accepting = self._accepting.get(number)
        if accepting is None or self._channel is None:
            self._drop(number)
            free()
            return
        accepting.free = free
        # One that cannot take it is dead, or will be.
        try:
            self._channel.send(HEADER.pack(number, WITHDRAW))
        except BlockingIOError:
            self._reactor.callLater(0.05, self.withdraw, number, free)
        except OSError:
            """The end of the socket is noticed soon."""

    def _drop(self, number: int) -> None:
        """
        It does not accept from a socket any more.
        """
        self._accepting.pop(number, None)
        if not self._accepting:
            self.share.letGo()

    def _next(self) -> int:
        """
        The number of the next order.
        """
        self._number = (self._number + 1) & 0x7FFFFFFF or 1
        return self._number

    def retire(self) -> None:
        """
        End when no program runs that it has started.
        """
        self._retiring = True
        if not (self._waiting or self._running or self._accepting):
            self.close()

    def close(self) -> None:
        """
        Have it end; the programs that it has started live on.
        """
        self.up = False
        for orphan in self._orphans.values():
            orphan.cancel()
        self._orphans.clear()
        self._letGo()
        for kept in self._waiting.values():
            kept.close()
        self._waiting.clear()

    def _letGo(self) -> None:
        """
        Close the socket.
        """
        self.share.died()
        if self._channel is not None:
            self._reactor.removeReader(self)
            self._channel.close()
            self._channel = None

    def doRead(self) -> None:
        """
        It reports, or nobody is left at the other end.
        """
        self._receive()
        self._owner.notify()
        if self._retiring:
            self.retire()

    def _receive(self) -> bool:
        """
        Take one packet of reports.

        @return: whether there was one.
        """
        assert self._channel is not None
        try:
            packet = self._channel.recv(1 << 16)
        except BlockingIOError:
            return False
        except OSError:
            packet = b""
        if not packet:
            self._lost()
            return False
        for start in range(0, len(packet) - REPORT.size + 1, REPORT.size):
            record = packet[start : start + REPORT.size]
            if record[0] == _warmhelper.ADDRESSED:
                self._peer = unpackAddress(record)
            else:
                self._reported(*REPORT.unpack(record))
        return True

    def _reported(self, kind: int, number: int, pid: int, value: int, cpu: int) -> None:
        """
        One thing that it says.
        """
        if kind == _warmhelper.HELLO and not self.up:
            self.up = True
            self._owner.ready(self)
        elif kind == _warmhelper.STARTED and number in self._waiting:
            self._begun(number, pid, not value)
        elif kind == _warmhelper.FAILED and number in self._waiting:
            self._leave(number)
        elif kind == _warmhelper.ENDED:
            if number in self._waiting and pid not in self._running:
                # It was killed before it could say anything.
                self._begun(number, pid, True)
            if pid in self._running:
                how = Exit.fromWait(value, cpu / 1e6)
                self.share.ended(pid)
                self._running.pop(pid).ended(how)
        elif kind == _warmhelper.STALE:
            self._owner.stale(self)
        elif number in self._accepting:
            self._aboutAccepting(kind, number, pid, value)

    def _begun(self, number: int, pid: int, warm: bool) -> None:
        """
        An order has a child.
        """
        kept = self._waiting.pop(number)
        kept.close()
        self._running[pid] = kept.child
        kept.child.warm = warm
        kept.child.started(pid)

    def _leave(self, number: int) -> None:
        """
        An order has to be started otherwise.
        """
        kept = self._waiting.pop(number)
        self._owner.left(kept.child, kept.order)
        kept.close()

    def _aboutAccepting(self, kind: int, number: int, pid: int, value: int) -> None:
        """
        It says something of a socket that it accepts from.
        """
        peer, self._peer = self._peer, None
        accepting = self._accepting[number]
        if kind == _warmhelper.ACCEPTED:
            child = self._running[pid] = accepting.watcher.accepted(peer)
            child.warm = not value
            self.share.began(pid)
            child.started(pid)
        elif kind == _warmhelper.DROPPED:
            accepting.watcher.dropped(peer, os.strerror(value))
        elif kind == _warmhelper.CROWDED:
            accepting.watcher.crowded()
        elif kind == _warmhelper.WITHDRAWN and accepting.free is not None:
            self._drop(number)
            accepting.free()

    def _lost(self) -> None:
        """
        Nobody is left at the other end of the socket.
        """
        self.up = False
        self._letGo()
        for accepting in list(self._accepting.values()):
            if accepting.free is not None:
                accepting.free()
        self._accepting.clear()
        while self._waiting:
            self._leave(next(iter(self._waiting)))
        self._owner.lost(self)
        for pid in set(self._running) - set(self._orphans):
            self._adopt(pid)
        self._end()

    def _end(self) -> None:
        """
        Say that it has ended, when that and the reason are known.
        """
        if self._how is None:
            return
        if self._complaints is not None:
            complaints, self._complaints = self._complaints, None
            complaints.finish()
        if self._channel is not None:
            if self.pid is not None:
                # A child may still have the other end.
                return
            self._letGo()
        self.up = False
        self._owner.gone(self, self._how, self._status)

    def _adopt(self, pid: int) -> None:
        """
        Wait for the end of a program whose parent is gone.
        """
        try:
            self._orphans[pid] = watch.onExit(
                self._reactor, pid, lambda: self._orphanEnded(pid)
            )
        except OSError:
            self._running.pop(pid).ended(Exit())

    def _orphanEnded(self, pid: int) -> None:
        """
        A program has ended that a dead process had started.
        """
        self._orphans.pop(pid, None)
        self._running.pop(pid).ended(Exit())
