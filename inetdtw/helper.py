# -*- test-case-name: inetdtw.test.test_helper -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of a helper process that starts programs.

The daemon keeps both ends of the socket that leads to a helper.  When a helper is
killed, the orders that it had not taken stay in the socket, and its successor
finds them there; of the programs that it had started the daemon knows the process
ids, and waits for their ends by other means.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from inetdtw import _packets, watch
from inetdtw._accepting import unpackAddress
from inetdtw._packets import ACCEPT, HEADER, REPORT
from inetdtw.interfaces import Exit, Order

#: The seconds before a helper that died is followed by another: the first pause,
#: what it grows by, the longest, and how long one must live for a new start.
FIRST_PAUSE, GROWTH, LONGEST_PAUSE, GOOD_LIFE = 0.05, 2.0, 30.0, 5.0
#: The seconds to wait for room in the socket.
POST_PAUSE = 0.01


def encode(order: Order) -> bytes:
    """
    The part of an order that is the same for all programs of a service.
    """
    variables = (f"{name}={value}" for name, value in order.environment.items())
    texts = (order.executable, str(len(order.argv)), *order.argv, *variables)
    return b"\0".join(map(os.fsencode, texts))


@dataclass
class Delegation:
    """
    A listening socket that helpers accept from.

    @ivar watcher: an L{inetdtw.interfaces.IAccepting}.
    @ivar shared: the program, as L{encode} makes it.
    @ivar fd: the socket.
    @ivar wanted: whether they still should.
    @ivar free: called when the helper does not any more, as it should not.
    """

    watcher: Any
    shared: bytes
    fd: int
    wanted: bool = True
    free: Callable[[], None] = lambda: None


_DELEGATED = (_packets.ACCEPTED, _packets.DROPPED, _packets.WITHDRAWN)


@implementer(IReadDescriptor)
class Helper(ProcessProtocol):
    """
    One helper, and those that follow it on the same socket when it dies.

    @ivar waiting: the children that were ordered, by the number of the order.
    @ivar running: those that run, by their process ids.
    @ivar up: whether a helper has said that it is ready, and has not died since.
    @ivar pid: the process id of the helper.
    """

    def __init__(
        self, owner: Any, reactor: Any, command: Sequence[str], directory: str
    ) -> None:
        """
        @param owner: is told: C{notify()} when there may be room, C{stalled(reason)},
            and C{died(pid, reason, pause)}.
        @param command: what to execute; the socket is its descriptor 3.
        @param directory: where programs are started, for messages.
        """
        self._owner = owner
        self._command = list(command)
        self._directory = directory
        self._reactor = reactor
        self._ours, self._theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self._ours.setblocking(False)
        self.waiting: OrderedDict[int, Any] = OrderedDict()
        self.running: dict[int, Any] = {}
        self._orphans: dict[int, Any] = {}
        self._delegations: dict[int, Delegation] = {}
        self._peer: Any = None
        self._posts: deque[tuple[int, int]] = deque()
        self._postLater: Any = None
        self._number = 0
        self._before = 0
        self._pause = FIRST_PAUSE
        self._born = 0.0
        self._said = b""
        self._later: Any = None
        self._retiring = False
        self._retired: Deferred[None] | None = None
        self.up = False
        self.pid: int | None = None
        reactor.addReader(self)

    @property
    def load(self) -> int:
        """
        How many orders it has before it.
        """
        return len(self.waiting)

    def spawn(self) -> None:
        """
        Start a helper.
        """
        self._later = None
        self._said = b""
        self._born = self._reactor.seconds()
        self._before = self._number
        null = os.open(os.devnull, os.O_RDWR)
        fds = {0: null, 1: null, 2: "r", _packets.CHANNEL: self._theirs.fileno()}
        try:
            process = self._reactor.spawnProcess(
                self, self._command[0], self._command, {}, childFDs=fds
            )
            self.pid = process.pid
        except OSError as why:
            self._died(str(why))
        finally:
            os.close(null)

    def fileno(self) -> int:
        """
        The daemon's end of the socket.
        """
        return self._ours.fileno()

    def logPrefix(self) -> str:
        """
        The name of this reader for the reactor.
        """
        return "fork server"

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor stops, and with it this process.
        """

    def retire(self) -> None:
        """
        End once no program runs that this helper started.
        """
        self._retiring = True
        if not (self.waiting or self.running):
            self.stop()

    def stop(self) -> Deferred[None]:
        """
        End now.

        @return: fires when the helper has ended.
        """
        if self._retired is None:
            self._retired = Deferred()
            self._forgetPosts()
            self._reactor.removeReader(self)
            for orphan in self._orphans.values():
                orphan.cancel()
            self._ours.shutdown(socket.SHUT_RDWR)
            if self._later is not None:
                self._later.cancel()
                self._close()
        return self._retired

    def _close(self) -> None:
        """
        Give up the socket.
        """
        self._ours.close()
        self._theirs.close()
        assert self._retired is not None
        self._retired.callback(None)

    def order(
        self,
        child: Any,
        shared: bytes,
        extra: bytes,
        fds: list[int],
        repeats: int = 0,
    ) -> None:
        """
        Send one order.

        @raise OSError: if it cannot be sent.
        """
        number = self._next()
        head = HEADER.pack(number, len(shared) | repeats << _packets.REPEATS_SHIFT)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        self._ours.sendmsg([head, shared, extra], rights)
        self.waiting[number] = child

    def settle(self) -> None:
        """
        Have the helper repeat nothing of what was ordered until now.
        """
        # A helper that cannot take it has died, or has much else to do first.
        with contextlib.suppress(OSError):
            self._ours.send(HEADER.pack(self._next(), 0))

    def delegate(self, number: int, delegation: Delegation) -> None:
        """
        Have the helper accept from a socket, as soon as there is one.
        """
        self._delegations[number] = delegation
        if self.up:
            self._post(number, ACCEPT)

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Have the helper accept no more from a socket.

        @param free: called once when it does not, or has died.
        """
        delegation = self._delegations.get(number)
        if delegation is None or not self.up:
            self._delegations.pop(number, None)
            free()
            return
        delegation.wanted = False
        delegation.free = free
        self._post(number, 0)

    def _post(self, number: int, mark: int) -> None:
        """
        Send something about a delegation, when there is room in the socket: there
        may be very many of them.
        """
        self._posts.append((number, mark))
        if self._postLater is None:
            self._sendPosts()

    def _sendPosts(self) -> None:
        """
        Send what there is room for, and the rest in a moment.
        """
        self._postLater = None
        while self._posts:
            try:
                self._sendPost(*self._posts[0])
            except BlockingIOError:
                later = self._reactor.callLater(POST_PAUSE, self._sendPosts)
                self._postLater = later
                return
            except OSError:
                """The helper has died; its successor is told all anew."""
            self._posts.popleft()

    def _sendPost(self, number: int, mark: int) -> None:
        """
        Send one thing about a delegation, if it still holds.

        @raise OSError: if it cannot be sent.
        """
        delegation = self._delegations.get(number)
        if delegation is None or (mark and not delegation.wanted):
            return
        head = HEADER.pack(self._next(), mark << _packets.REPEATS_SHIFT)
        packet = [head + _packets.NAME.pack(number)]
        rights = []
        if mark:
            packet.append(delegation.shared)
            fds = struct.pack("i", delegation.fd)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
        self._ours.sendmsg(packet, rights)

    def _forgetPosts(self) -> None:
        """
        Send nothing of what is still to be sent.
        """
        self._posts.clear()
        if self._postLater is not None:
            self._postLater.cancel()
            self._postLater = None

    def _next(self) -> int:
        """
        The number of the next packet.
        """
        self._number = (self._number + 1) & 0xFFFFFFFF or 1
        return self._number

    def doRead(self) -> None:
        """
        The helper reports.
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
        try:
            packet = self._ours.recv(1 << 16)
        except BlockingIOError:
            return False
        for start in range(0, len(packet) - REPORT.size + 1, REPORT.size):
            record = packet[start : start + REPORT.size]
            if record[0] == _packets.ADDRESSED:
                self._peer = unpackAddress(record)
            else:
                self._reported(*REPORT.unpack(record))
        return True

    def _reported(self, kind: int, number: int, pid: int, value: int, cpu: int) -> None:
        """
        One thing that the helper says.
        """
        if kind == _packets.HELLO:
            self._ready(number)
        elif kind == _packets.STARTED and number in self.waiting:
            child = self.running[pid] = self.waiting.pop(number)
            child.started(pid)
        elif kind == _packets.REPEATED and pid in self.running:
            how = Exit.fromWait(value, cpu / 1e6)
            self.waiting[number] = self.running.pop(pid).repeated(how)
        elif kind == _packets.FAILED and number in self.waiting:
            self.waiting.pop(number).failed(os.strerror(value))
        elif kind == _packets.ENDED and pid in self.running:
            self._ended(pid, Exit.fromWait(value, cpu / 1e6))
        elif kind == _packets.ASTRAY and number in self.waiting:
            reason = f"{self._directory}: {os.strerror(value)}"
            self.waiting.pop(number).failed(reason)
        elif kind == _packets.STALLED:
            self._owner.stalled(os.strerror(value))
        elif kind in _DELEGATED and number in self._delegations:
            self._aboutDelegation(kind, number, pid, value)

    def _aboutDelegation(self, kind: int, number: int, pid: int, value: int) -> None:
        """
        The helper says something of a socket that it accepts from.
        """
        peer, self._peer = self._peer, None
        delegation = self._delegations[number]
        if kind == _packets.ACCEPTED:
            child = self.running[pid] = delegation.watcher.accepted(peer)
            child.started(pid)
        elif kind == _packets.DROPPED:
            where = f"{self._directory}: " if pid else ""
            delegation.watcher.dropped(peer, where + os.strerror(value))
        else:
            self._delegations.pop(number).free()

    def _ready(self, first: int) -> None:
        """
        A helper is ready.

        @param first: the number of the first order that it finds in the socket, or
            0.  A predecessor took those before it, and said nothing of them.
        """
        self.up = True
        # What was ordered after it had looked is still to come.
        end = first or self._before + 1
        lost = [number for number in self.waiting if number < end]
        for number in lost:
            self.waiting.pop(number).failed("its fork server died")
        delegations, self._delegations = self._delegations, {}
        for number, delegation in delegations.items():
            if delegation.wanted:
                self.delegate(number, delegation)

    def _ended(self, pid: int, how: Exit) -> None:
        """
        A program has ended.
        """
        orphan = self._orphans.pop(pid, None)
        if orphan is not None:
            orphan.cancel()
        self.running.pop(pid).ended(how)

    def errReceived(self, data: bytes) -> None:
        """
        The helper has something to say on its standard error.
        """
        self._said = (self._said + data)[-2000:]

    def processEnded(self, reason: Failure) -> None:
        """
        The helper has died.
        """
        last = self._said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        self._died(last or reason.getErrorMessage())

    def _died(self, why: str) -> None:
        """
        Adopt the programs of a helper that died, and plan for another helper.
        """
        hopeless, self.up = not self.up, False
        self._forgetPosts()
        if self._retired is not None:
            self._freeUnwanted()
            self._close()
            return
        while self._receive():
            """What it reported before it died still holds."""
        self._freeUnwanted()
        if self._reactor.seconds() - self._born >= GOOD_LIFE:
            self._pause = FIRST_PAUSE
        self._owner.died(self.pid, why, self._pause)
        for pid in set(self.running) - set(self._orphans):
            self._adopt(pid)
        if hopeless:
            self._giveUp()
        self._later = self._reactor.callLater(self._pause, self.spawn)
        self._pause = min(self._pause * GROWTH, LONGEST_PAUSE)

    def _freeUnwanted(self) -> None:
        """
        No helper is there that could still accept from what was withdrawn.
        """
        unwanted = [n for n, each in self._delegations.items() if not each.wanted]
        for number in unwanted:
            self._delegations.pop(number).free()

    def _adopt(self, pid: int) -> None:
        """
        Wait for the end of a program whose parent is gone.
        """
        try:
            self._orphans[pid] = watch.onExit(
                self._reactor, pid, lambda: self._orphanEnded(pid)
            )
        except OSError:
            self._ended(pid, Exit())

    def _orphanEnded(self, pid: int) -> None:
        """
        A program has ended that a dead helper had started.
        """
        self._ended(pid, Exit())
        if self._retiring:
            self.retire()

    def _giveUp(self) -> None:
        """
        Take back what was ordered: no helper was ever ready for it.
        """
        with contextlib.suppress(BlockingIOError):
            while self._theirs.recv(_packets.LARGEST, socket.MSG_DONTWAIT):
                pass
        while self.waiting:
            self.waiting.popitem()[1].failed("no fork server can be started")
