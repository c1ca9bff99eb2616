# -*- test-case-name: inetdtw.serve.test.test_internal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The base of all listeners: a port, and the admission control that pauses it."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.model.state import PauseReason
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.port import IConnectionReceiver, SocketPort
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.sharedport import streamPort
from inetdtw.serve.undecided import AcceptedClient
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.sockets import closeWithMessage


class BaseListener:
    """
    A listener that reads its socket while nothing pauses the service.

    It does not need the socket any more once it has stopped.

    @ivar restored: called when a program has had the socket, to restore its options;
        returns whether the socket is still this listener's.
    """

    restored: Callable[[], bool] = staticmethod(lambda: True)

    def __init__(
        self,
        given: ServiceRuntime,
        port: SocketPort,
        account: DescriptorAccount | None = None,
    ) -> None:
        """@param account: the descriptors of clients, if they are not the service's."""
        self._port = port
        self._admission = AdmissionControl(given, port.holds, account)

    @property
    def busy(self) -> bool:
        """Whether a program has the socket."""
        return False

    def start(self) -> None:
        """Begin to accept clients."""
        self._port.start()

    def retire(self, done: Callable[[], None]) -> None:
        """
        Accept no more clients.

        @param done: called when the socket is free: at once, or when the program that
            has it has exited.
        """
        self.stop()
        done()

    def stop(self) -> None:
        """Accept no more clients, and leave the programs that run alone."""
        self._port.stop()
        self._admission.close()

    def released(self) -> None:
        """Accept clients again, as one was served, maybe before a reload."""
        self._admission.reopen()

    def watched(self, dropped: Callable[[], None]) -> None:
        """Call C{dropped} when the reactor cannot poll the socket any more."""
        self._port.dropped = dropped

    def pauses(self) -> list[PauseReason]:
        """Return why no clients are accepted; nothing if they are."""
        return self._port.holds.reasons

    def resumes(self) -> float | None:
        """
        Return when clients are accepted again by itself, if that is known.

        @return: in seconds of the reactor's clock.
        """
        return self._port.holds.resumes


@implementer(IConnectionReceiver)
class ConnectionListener(BaseListener):
    """
    A listener that accepts connections and serves each.

    @ivar mayAccept: called before each accept(2): pauses the service and returns false
        if it may accept no client.
    @ivar short: called with the reason when the system is out of a resource.
    """

    def __init__(
        self,
        given: ServiceRuntime,
        sock: socket.socket,
        account: DescriptorAccount | None = None,
    ) -> None:
        """@param account: the descriptors of clients, if they are not the service's."""
        super().__init__(given, streamPort(sock, given, self), account)
        self._refusal = given.service.refusal
        self.mayAccept = self._admission.open
        self.short = self._admission.short

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """
        Serve a connection, or refuse it by a limit.

        @param connection: this listener's from now on.
        @param peer: the client's address.
        """
        serve = partial(self._serve, connection, peer)
        refuse = partial(closeWithMessage, connection, self._refusal)
        self._admission.let(AcceptedClient(peer, serve, refuse))

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Serve a connection that was admitted."""
        raise NotImplementedError
