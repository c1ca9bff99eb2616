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
from inetdtw.ports import StreamPort
from inetdtw.service import Service
from inetdtw.sockets import goodbye


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
