# -*- test-case-name: inetdtw.serve.test.test_datagram -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{dgram nowait}: every datagram gets a program of its own.

The program reads the datagram and then end of file from 0, and each write to 1
(or 2) goes back to the sender as one datagram.  So a program that serves a TCP
connection serves datagrams unchanged.

Descriptor 0 is a stream, because a socket that keeps message boundaries discards
the rest of a datagram that is not read at once.  1 and 2 are a socket that keeps
them.  Writes to 0 are replies as well, because some programs use one descriptor
only.

Each program has two sockets of the daemon, and counts until these are closed: when
the program has closed its ends, or a moment after it has exited.
"""

from __future__ import annotations

import contextlib
import socket
from functools import partial
from itertools import chain, repeat

from zope.interface import implementer

from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.log import events
from inetdtw.model.state import PauseReason
from inetdtw.serve.datagramport import DatagramPort, IDatagramReceiver, Sender
from inetdtw.serve.listener import BaseListener
from inetdtw.serve.replies import DatagramSession
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.serve.undecided import AcceptedClient

#: How many replies the first one of a program counts as: to start a program costs more
#: than to reply.
FIRST_REPLY = 10


@implementer(IDatagramReceiver)
class DatagramListener(BaseListener):
    """
    A socket whose datagrams each get a program.

    When no more programs are started, replies of running ones are still sent, until the
    socket is closed.
    """

    _port: DatagramPort

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        """Receive nothing before L{start}."""
        service, runtime = given.service, given.runtime
        super().__init__(given, DatagramPort(sock, runtime.reactor, service.name, self))
        assert given.launcher is not None
        self._name = service.name
        self._runtime = runtime
        self._served = given.released
        self._starter = ProgramStarter(service, runtime, given.launcher)
        # Each write would be a datagram: one print() is to make only one.
        self._starter.without("PYTHONUNBUFFERED")

    def start(self) -> None:
        """Begin to receive."""
        self._starter.prepare()
        super().start()

    def mayReceive(self) -> bool:
        """Tell whether a client may be accepted."""
        return self._admission.open()

    def datagramReceived(self, datagram: bytes, sender: Sender) -> None:
        """Start a program, unless a limit is exceeded or a loop might begin."""
        admission, peer = self._admission, sender.address
        if not (
            self._runtime.guard.allowsProgram(peer, self._name)
            and admission.mayAnswer(peer, FIRST_REPLY, take=False)
        ):
            admission.unanswered()
            return
        admission.let(AcceptedClient(peer, partial(self._start, datagram, sender)))

    def _start(self, datagram: bytes, sender: Sender) -> None:
        """Start a program for a datagram that was admitted."""
        try:
            ours, theirs = _pairs(datagram)
        except OSError as why:
            self._admission.release(sender.address)
            self._runtime.tallies[self._name].dropped += 1
            self._log(sender, why.strerror or "")
            self._admission.holds.pauseFor(PauseReason.SHORTAGE, SHORTAGE_PAUSE)
            return
        given, taken = theirs
        self._runtime.descriptors.note(taken.fileno())
        with given, taken:
            try:
                session = self._session(ours, sender)
            except Exception:
                for each in ours:
                    each.close()
                raise
            fds = (given.fileno(), taken.fileno(), taken.fileno())
            self._starter.launch(sender.address, fds, lambda child: session.ended())

    def _session(
        self, ours: tuple[socket.socket, socket.socket], sender: Sender
    ) -> DatagramSession:
        """
        Send what a program will write back to the sender of its datagram.

        @param ours: the daemon's ends of its sockets.
        """
        costs = chain((FIRST_REPLY,), repeat(1))
        session = DatagramSession(
            *(self._runtime.reactor, self._runtime.sessions),
            *(self._name, self._port.socket),
            lambda data: self._reply(data, sender, next(costs)),
            lambda: self._over(sender),
        )
        for sock in ours:
            session.add(sock)
        return session

    def _reply(self, message: bytes, sender: Sender, cost: int) -> None:
        """
        Send a reply, if the source may have one more.

        @param cost: how many replies it counts as.
        """
        if not self._admission.mayAnswer(sender.address, cost):
            self._runtime.tallies[self._name].dropped += 1
            return
        try:
            self._port.reply(message, sender)
        except OSError as why:
            self._log(sender, f"reply not sent: {why.strerror}")

    def _log(self, sender: Sender, reason: str) -> None:
        """Log that a datagram is dropped."""
        self._runtime.report.emit(
            events.DROP, self._name, peer=sender.address, reason=reason
        )

    def _over(self, sender: Sender) -> None:
        """Release a client whose program has exited and whose replies are sent."""
        self._admission.release(sender.address)
        self._served()


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
        ours, given = map(opened.enter_context, socket.socketpair())
        packets = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answers, taken = map(opened.enter_context, packets)
        # A datagram is never larger than the buffer of a new socket.
        ours.sendall(datagram)
        ours.shutdown(socket.SHUT_WR)
        opened.pop_all()
    return (ours, answers), (given, taken)
