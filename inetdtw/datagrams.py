# -*- test-case-name: inetdtw.test.test_datagrams -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{dgram nowait}: every datagram gets a program of its own.

The program reads the datagram and then end of file from 0, and each write to 1
(or 2) goes back to the sender as one datagram.  So a program that serves a TCP
connection serves datagrams unchanged.

Descriptor 0 is a stream, as a program may read it in small pieces, and a socket
that keeps message boundaries loses what does not fit into one of these; 1 and 2
are a socket that keeps them.  What a program writes to 0 goes back as well, for
those that know but one socket.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure

from inetdtw.child import Child
from inetdtw.datagramport import DatagramPort, Sender
from inetdtw.descriptors import descriptors
from inetdtw.gate import Gate
from inetdtw.host import Host
from inetdtw.interfaces import ILauncher
from inetdtw.launches import Launches
from inetdtw.limits import Limits
from inetdtw.listener import GatedListener
from inetdtw.ports import survived
from inetdtw.service import Service

_LARGEST = 1 << 16


@implementer(IReadDescriptor)
class _Answers:
    """
    Sends what a program writes back to who asked, one datagram for each write.

    @ivar through: the socket that the answers are sent through.
    """

    def __init__(
        self,
        sock: socket.socket,
        host: Host,
        through: Any,
        service: str,
        send: Callable[[bytes], None],
    ) -> None:
        """
        @param through: the socket that the answers are sent through.
        @param service: the name of the service.
        @param send: called with each message.
        """
        sock.setblocking(False)
        self._socket = sock
        self.through = through
        self._service = service
        self._reactor = reactor = host.reactor
        self._send = send
        self._others = host.answers
        host.answers.add(self)
        reactor.addReader(self)

    def fileno(self) -> int:
        """
        The descriptor of the socket.
        """
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """
        The name of this reader for the reactor.
        """
        return "answers"

    def doRead(self) -> None:
        """
        The program has written something, or closed its end.
        """
        try:
            message = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message or not survived(self._service, self._send, message):
            self.close()

    def close(self) -> None:
        """
        Take no more answers.
        """
        self._others.discard(self)
        self._reactor.removeReader(self)
        self._socket.close()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor stops.
        """
        self._socket.close()


class DatagramPrograms(DatagramProtocol):
    """
    Starts a program for every datagram.
    """

    noisy = False

    def __init__(
        self,
        service: Service,
        launches: Launches,
        gate: Gate,
        host: Host,
        released: Callable[[], None],
    ) -> None:
        self._service = service
        self._launches = launches
        self._gate = gate
        self._host = host
        self._released = released

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Start a program.
        """
        if not self._gate.admit(addr):
            return
        try:
            ours, theirs = _pairs(datagram)
        except OSError as why:
            self._gate.release(addr)
            self._host.tallies[self._service.name].dropped += 1
            self._host.report.drop(self._service.name, addr, why.strerror or "")
            self._gate.port.pause("shortage", 0.5)
            return
        transport: Any = self.transport
        for sock in ours:
            _Answers(
                sock,
                self._host,
                transport.socket,
                self._service.name,
                lambda data: self._answer(data, addr),
            )
        given, taken = theirs
        descriptors.note(taken.fileno())
        with given, taken:
            fds = (given.fileno(), taken.fileno(), taken.fileno())
            self._launches.launch(addr, fds, self._ended)

    def _answer(self, message: bytes, sender: Sender) -> None:
        """
        Send a datagram back.
        """
        transport: Any = self.transport
        try:
            transport.write(message, sender)
        except OSError as why:
            self._host.report.drop(
                self._service.name, sender, f"answer not sent: {why.strerror}"
            )

    def _ended(self, child: Child) -> None:
        """
        A program has ended.
        """
        self._gate.release(child.peer)
        self._released()


def _pairs(
    datagram: bytes,
) -> tuple[tuple[socket.socket, socket.socket], tuple[socket.socket, socket.socket]]:
    """
    Make the sockets of one program.

    @return: our ends and the program's, each for 0 and for 1; the datagram and an
        end of file are in the program's 0.
    @raise OSError: if there are no descriptors left.
    """
    with contextlib.ExitStack() as opened:
        ours, given = socket.socketpair()
        opened.enter_context(ours)
        opened.enter_context(given)
        answers, taken = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        opened.enter_context(answers)
        opened.enter_context(taken)
        # A datagram is never larger than the buffer of a new socket.
        ours.sendall(datagram)
        ours.shutdown(socket.SHUT_WR)
        opened.pop_all()
    return (ours, answers), (given, taken)


class DatagramListener(GatedListener):
    """
    A socket whose datagrams each get a program.  When no more are started, the answers
    of those that run are still sent, until the socket ends.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        host: Host,
        limits: Limits,
        launcher: ILauncher,
        released: Callable[[], None],
    ) -> None:
        gate = Gate(service.name, limits, host.report, launcher, host.total)
        launches = Launches(service, host, launcher)
        # Each write would be a datagram: one print() is to make only one.
        launches.without("PYTHONUNBUFFERED")
        self._prepare = launches.prepare
        protocol = DatagramPrograms(service, launches, gate, host, released)
        port = DatagramPort(sock, host.reactor, service.name, protocol, gate.open)
        super().__init__(port, gate)

    def start(self) -> None:
        """
        Begin to receive.
        """
        self._prepare()
        super().start()
