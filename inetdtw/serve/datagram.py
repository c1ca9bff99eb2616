# -*- test-case-name: inetdtw.serve.test.test_datagram -*-
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

Each program has two sockets of the daemon, and counts until these are closed: when
nobody has its ends any more, or a moment after it has ended.
"""

from __future__ import annotations

import contextlib
import socket
from functools import partial
from itertools import chain, repeat
from typing import Any

from twisted.internet.protocol import DatagramProtocol

from inetdtw.log import events
from inetdtw.model.state import PauseReason
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.datagramport import DatagramPort, Sender
from inetdtw.serve.listener import GatedListener
from inetdtw.serve.replies import DatagramSession, ReplySocket
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.serve.undecided import Client

#: How many answers the first one of a program counts as: to start one costs more than
#: to answer.
FIRST_ANSWER = 10


class DatagramPrograms(DatagramProtocol):
    """Starts a program for every datagram."""

    noisy = False

    gate: AdmissionControl

    def __init__(self, given: ServiceRuntime, launches: ProgramStarter) -> None:
        self._service = given.service
        self._launches = launches
        self._runtime = given.runtime
        self._released = given.released

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Start a program, unless a limit is in the way, or its answer might start a loop."""
        gate, name = self.gate, self._service.name
        if not (
            self._runtime.guard.allowsProgram(addr, name)
            and gate.mayAnswer(addr, FIRST_ANSWER, take=False)
        ):
            gate.unanswered()
            return
        gate.let(Client(addr, partial(self._start, datagram, addr)))

    def _start(self, datagram: bytes, addr: Any) -> None:
        """Start a program."""
        try:
            ours, theirs = _pairs(datagram)
        except OSError as why:
            self.gate.release(addr)
            self._runtime.tallies[self._service.name].dropped += 1
            self._runtime.report.emit(
                events.DROP, self._service.name, peer=addr, reason=why.strerror or ""
            )
            self.gate.holds.pauseFor(PauseReason.SHORTAGE, 0.5)
            return
        given, taken = theirs
        self._runtime.descriptors.note(taken.fileno())
        with given, taken:
            try:
                exchange = self._exchange(ours, addr)
            except Exception:
                for each in ours:
                    each.close()
                self.gate.release(addr)
                raise
            fds = (given.fileno(), taken.fileno(), taken.fileno())
            self._launches.launch(addr, fds, lambda child: exchange.ended())

    def _exchange(
        self, ours: tuple[socket.socket, socket.socket], sender: Any
    ) -> DatagramSession:
        """
        Have sent back what a program will write.

        @param ours: our ends of its sockets.
        """
        transport: Any = self.transport
        exchange = DatagramSession(self._runtime.reactor, lambda: self._over(sender))
        costs = chain((FIRST_ANSWER,), repeat(1))
        for sock in ours:
            answers = ReplySocket(
                sock,
                self._runtime,
                transport.socket,
                self._service.name,
                lambda data: self._answer(data, sender, next(costs)),
                exchange.closed,
            )
            exchange.add(answers)
        return exchange

    def _answer(self, message: bytes, sender: Sender, cost: int) -> None:
        """
        Send a datagram back.

        @param cost: how many answers it counts as.
        """
        transport: Any = self.transport
        if not self.gate.mayAnswer(sender, cost):
            self._runtime.tallies[self._service.name].dropped += 1
            return
        try:
            transport.write(message, sender)
        except OSError as why:
            self._runtime.report.emit(
                events.DROP,
                self._service.name,
                peer=sender,
                reason=f"answer not sent: {why.strerror}",
            )

    def _over(self, sender: Any) -> None:
        """A program has ended, and its answers are sent."""
        self.gate.release(sender)
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

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        assert given.launcher is not None
        service, runtime = given.service, given.runtime
        launches = ProgramStarter(service, runtime, given.launcher)
        # Each write would be a datagram: one print() is to make only one.
        launches.without("PYTHONUNBUFFERED")
        self._prepare = launches.prepare
        protocol = DatagramPrograms(given, launches)
        port = DatagramPort(sock, runtime.reactor, service.name, protocol, self._open)
        super().__init__(given, port)
        protocol.gate = self._gate

    def _open(self) -> bool:
        return self._gate.open()

    def start(self) -> None:
        """Begin to receive."""
        self._prepare()
        super().start()
