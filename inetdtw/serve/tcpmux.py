# -*- test-case-name: inetdtw.serve.test.test_tcpmux -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
RFC 1078: one port for many services.  The client's first line is the name of a
service, and what follows is between the client and the service.

The name's line is taken from the socket to its last byte and no further: what the
client has sent behind it is for the program.
"""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.system.crowd import Crowd

#: The seconds that a client has to say what it wants.
TIMEOUT = 10.0
#: The most bytes of a name with its end of line.
LONGEST = 256

GO = b"+Go\r\n"
NOT_AVAILABLE = b"-Service not available\r\n"
NOT_READ = b"-Error reading service name\r\n"


@implementer(IReadDescriptor)
class TcpmuxRequest:
    """
    A client that has not said yet what it wants.

    @ivar connection: its socket.
    @ivar peer: its address.
    @ivar fault: what was wrong with it, in the end; C{None} if it has only left.
    @ivar crowdedOut: whether it has left for another one.
    """

    fault: str | None = None
    crowdedOut = False

    def __init__(
        self,
        connection: socket.socket,
        peer: Any,
        reactor: Any,
        asked: Callable[[TcpmuxRequest, str | None], None],
        others: Crowd[TcpmuxRequest],
        whose: str = "",
        closed: Callable[[TcpmuxRequest], object] = lambda request: None,
    ) -> None:
        """
        @param asked: called once, with the name in lower case, or C{None} if the
            client has not said any; the connection is the caller's from then on.
        @param others: it is among these until then.
        @param whose: the client's address, without a port.
        @param closed: called instead if the daemon ends before that.
        """
        self.connection = connection
        self.peer = peer
        self._reactor = reactor
        self._asked = asked
        self._others = others
        self._closed = closed
        self._line = b""
        self._later = reactor.callLater(TIMEOUT, self._late)
        connection.setblocking(False)
        others.add(self, whose)
        reactor.addReader(self)

    def doRead(self) -> None:
        """The client has said something, or is gone."""
        try:
            self._line += self._taken()
        except BlockingIOError:
            return
        except OSError:
            self._end(None)
            return
        if self._line.endswith(b"\n"):
            name = self._line[:-1].removesuffix(b"\r")
            self._end(name.decode("utf-8", "backslashreplace").lower())
        elif len(self._line) >= LONGEST:
            self.fault = f"it said {LONGEST} bytes and no end of line"
            self._end(None)

    def _taken(self) -> bytes:
        """
        Take some bytes, none of which is behind the first end of line.

        @raise OSError: if there are none and never will be.
        """
        room = LONGEST - len(self._line)
        seen = self.connection.recv(room, socket.MSG_PEEK)
        if not seen:
            raise OSError("the client has said all it has to say")
        line, end, _ = seen.partition(b"\n")
        return self.connection.recv(len(line + end))

    def _late(self) -> None:
        """The client took too long."""
        self.fault = f"it named no service within {TIMEOUT:g} seconds"
        self._end(None)

    def giveUp(self) -> None:
        """Another client needs its place."""
        self.crowdedOut = True
        self._end(None)

    def _end(self, name: str | None) -> None:
        """Wait for nothing more."""
        self._leave()
        self._asked(self, name)

    def _leave(self) -> None:
        """Be nothing that the reactor knows."""
        self._reactor.removeReader(self)
        self._others.discard(self)
        if self._later.active():
            self._later.cancel()

    def close(self) -> None:
        """Close the connection; it is not asked any more."""
        self._leave()
        self.connection.close()
        self._closed(self)

    def connectionLost(self, reason: Failure) -> None:
        """The client is gone, or the reactor stops."""
        if self in self._others:
            self._end(None)

    def fileno(self) -> int:
        """The descriptor of the connection."""
        return self.connection.fileno()

    def logPrefix(self) -> str:
        """The name of this reader for the reactor."""
        return "tcpmux"


class PortlessServices:
    """
    The services behind tcpmux, by name in lower case.

    @ivar requests: the clients that have not said yet what they want.
    """

    def __init__(self) -> None:
        self._services: dict[str, Any] = {}
        self.requests: Crowd[TcpmuxRequest] = Crowd()

    def add(self, name: str, service: Any) -> None:
        """
        Have a service under a name.

        @param service: has C{take(connection, peer)}.
        """
        self._services[name] = service

    def discard(self, name: str) -> None:
        """Have no service under a name."""
        self._services.pop(name, None)

    def of(self, name: str) -> Any:
        """The service of a name, or C{None}."""
        return self._services.get(name)

    def text(self) -> bytes:
        """All names, each on a line, for a client that asks for help."""
        return "".join(f"{name}\r\n" for name in sorted(self._services)).encode()

    def close(self) -> None:
        """Close the connections of all that have not said yet what they want."""
        for request in list(self.requests):
            request.close()
