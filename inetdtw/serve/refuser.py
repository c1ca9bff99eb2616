# -*- test-case-name: inetdtw.serve.test.test_wait -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Close connections of a C{stream wait} service that has no program for them."""

from __future__ import annotations

import select
import socket
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.model.state import PauseReason
from inetdtw.serve.port import IConnectionReceiver
from inetdtw.serve.sharedport import SharedStreamPort
from inetdtw.system.timer import Timer

#: The seconds in which a connection must be accepted, to be closed.
REFUSAL = 2.0


@implementer(IConnectionReceiver)
class ConnectionRefuser:
    """
    Closes the first connection of a backlog.

    Programs share the socket, and could let accept(2) block: another process calls it,
    which is killed after L{REFUSAL}.
    """

    def __init__(
        self,
        sock: socket.socket,
        reactor: Any,
        name: str,
        short: Callable[[str], None],
        done: Callable[[], None],
    ) -> None:
        """
        Close no connection before L{refuse}.

        @param short: called with the reason when the process cannot be started for
            lack of a resource.
        @param done: called when a connection was closed, or none will be.
        """
        self._socket = sock
        self._port = SharedStreamPort(sock, reactor, name, self)
        self._port.dropped = self.stop
        self._timer = Timer(reactor)
        self._refusing = False
        self._done = done
        self.short = short

    def refuse(self) -> bool:
        """Close the first connection soon; return False if there is none."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if poll.poll(0):
            self._refusing = True
            self._timer.start(REFUSAL, self.stop)
            self._port.start()
        return self._refusing

    def mayAccept(self) -> bool:
        """Return whether a connection is to be closed."""
        return self._refusing

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Close a connection."""
        connection.close()
        self._port.holds.pause(PauseReason.IDLE)
        self._over()

    def stop(self) -> None:
        """Stop: no connection is left, or another process has accepted it."""
        self._port.kill()
        self._over()

    def _over(self) -> None:
        self._timer.cancel()
        if self._refusing:
            self._refusing = False
            self._done()
