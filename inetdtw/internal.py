# -*- test-case-name: inetdtw.test.test_internal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Internal services on their sockets.
"""

from __future__ import annotations

import errno
import socket
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.protocol import Protocol

from inetdtw import builtin
from inetdtw.datagramport import DatagramPort
from inetdtw.gate import Gate
from inetdtw.host import Host
from inetdtw.interfaces import ILauncher, IListener
from inetdtw.limits import Limits
from inetdtw.place import printable
from inetdtw.ports import StreamPort
from inetdtw.service import Service
from inetdtw.sockets import goodbye
from inetdtw.tcpmux import NOT_AVAILABLE, NOT_READ, Question


@implementer(IListener)
class InternalStream:
    """
    A listening socket whose connections an internal service serves.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        host: Host,
        limits: Limits,
        launcher: ILauncher | None,
        released: Callable[[], None],
    ) -> None:
        assert service.internal is not None
        self._reactor = host.reactor
        self._released = released
        self._refusal = service.refusal
        self._gate = Gate(service.name, limits, host.report, None)
        self.mayAccept = self._gate.open
        self.short = self._gate.short
        self._factory = builtin.streamFactory(
            service.internal, host.wallclock, self._ended
        )
        self._port = StreamPort(sock, host.reactor, service.name, self)
        self._gate.port = self._port

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """
        Serve a connection.
        """
        with connection:
            if not self._gate.admit(peer):
                goodbye(connection, self._refusal)
                return
            connection.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(
                    connection.fileno(), connection.family, self._factory
                )
            except OSError as why:
                self._gate.release(peer)
                # One that is gone by now is no shortage.
                if why.errno != errno.ENOTCONN:
                    self._gate.short(why.strerror or str(why))

    def _ended(self, protocol: Protocol) -> None:
        """
        A connection is over.
        """
        transport: Any = protocol.transport
        peer = transport.getPeer()
        self._gate.release((getattr(peer, "host", ""), 0))
        self._released()

    def start(self) -> None:
        """
        Begin to accept.
        """
        self._port.start()

    def retire(self, done: Callable[[], None]) -> None:
        """
        Accept no more; the connections there are go on.
        """
        self._port.stop()
        done()

    def stop(self) -> None:
        """
        Accept no more.
        """
        self._port.stop()

    def released(self) -> None:
        """
        A connection is over.
        """
        self._gate.reopen()

    def held(self) -> list[str]:
        """
        Why no connections are accepted.
        """
        return self._port.reasons

    def resumes(self) -> float | None:
        """
        When that is over.
        """
        return self._port.resumes


@implementer(IListener)
class InternalDatagrams:
    """
    A socket whose datagrams an internal service answers.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        host: Host,
        limits: Limits,
        launcher: ILauncher | None,
        released: Callable[[], None],
    ) -> None:
        assert service.internal is not None
        self._guard = host.guard
        self._guarded = False
        self._limits = limits
        self._number = 0 if sock.family == socket.AF_UNIX else sock.getsockname()[1]
        self._protocol = builtin.datagramProtocol(
            service.internal, host.wallclock, host.guard, service.name
        )
        self.makeConnection = self._protocol.makeConnection
        self._port = DatagramPort(sock, host.reactor, service.name, self)

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Count a client, and answer it.
        """
        self._limits.admitted += 1
        self._protocol.datagramReceived(datagram, addr)

    def start(self) -> None:
        """
        Begin to receive.
        """
        self._guard.add(self._number)
        self._guarded = True
        self._port.start()

    def retire(self, done: Callable[[], None]) -> None:
        """
        Receive no more.
        """
        self.stop()
        done()

    def stop(self) -> None:
        """
        Receive no more.
        """
        if self._guarded:
            self._guarded = False
            self._guard.discard(self._number)
        self._port.stop()

    def released(self) -> None:
        """
        Nothing that was started here can end.
        """

    def held(self) -> list[str]:
        """
        Why no datagrams are received.
        """
        return self._port.reasons

    def resumes(self) -> float | None:
        """
        When that is over.
        """
        return self._port.resumes


@implementer(IListener)
class Tcpmux:
    """
    A listening socket whose clients say which service they want.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        host: Host,
        limits: Limits,
        launcher: ILauncher | None,
        released: Callable[[], None],
    ) -> None:
        self._name = service.name
        self._refusal = service.refusal
        self._host = host
        self._limits = limits
        self._released = released
        self._gate = Gate(service.name, limits, host.report, None)
        self.mayAccept = self._gate.open
        self.short = self._gate.short
        self._port = StreamPort(sock, host.reactor, service.name, self)
        self._gate.port = self._port

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """
        Wait for what the client wants.
        """
        if not self._gate.admit(peer):
            goodbye(connection, self._refusal)
            return
        names, reactor = self._host.names, self._host.reactor
        Question(connection, peer, reactor, self._asked, names.questions)

    def _asked(self, question: Question, name: str | None) -> None:
        """
        A client has said what it wants.
        """
        self._gate.release(question.peer)
        self._released()
        if name is None:
            goodbye(question.connection, NOT_READ)
        elif name == "help":
            goodbye(question.connection, self._host.names.text())
        else:
            self._lead(question, name)

    def _lead(self, question: Question, name: str) -> None:
        """
        Lead a client to a service.
        """
        service = self._host.names.of(name)
        if service is not None:
            service.take(question.connection, question.peer)
            return
        reason = f"there is no service tcpmux/{printable(name)}"
        self._limits.refused += 1
        self._host.report.refuse(self._name, question.peer, reason)
        goodbye(question.connection, NOT_AVAILABLE)

    def start(self) -> None:
        """
        Begin to accept.
        """
        self._port.start()

    def retire(self, done: Callable[[], None]) -> None:
        """
        Accept no more; those that were accepted may still say what they want.
        """
        self._port.stop()
        done()

    def stop(self) -> None:
        """
        Accept no more.
        """
        self._port.stop()

    def released(self) -> None:
        """
        A client has said what it wants.
        """
        self._gate.reopen()

    def held(self) -> list[str]:
        """
        Why no clients are taken.
        """
        return self._port.reasons

    def resumes(self) -> float | None:
        """
        When that is over.
        """
        return self._port.resumes
