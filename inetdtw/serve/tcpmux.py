# -*- test-case-name: inetdtw.serve.test.test_tcpmux -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
tcpmux (RFC 1078): one port for many services.

The client's first line is the name of a service; the rest is between the client and the
service.  The daemon reads the socket to the end of that line and no further, as what
follows is the program's.
"""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import Interface, implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.system.crowd import Crowd
from inetdtw.system.timer import Timer

#: The seconds in which a client must send the name of a service.
TIMEOUT = 10.0
#: The most bytes of a name with its end of line.
LONGEST = 256

GO = b"+Go\r\n"
NOT_AVAILABLE = b"-Service not available\r\n"
NOT_READ = b"-Error reading service name\r\n"


@implementer(IReadDescriptor)
class TcpmuxRequest:
    """
    A client that has not sent the name of a service yet.

    @ivar connection: its socket.
    @ivar peer: its address.
    @ivar fault: what was wrong with its request; C{None} if it has only disconnected.
    @ivar crowdedOut: whether it was closed so that another client could be accepted.
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
        source: str = "",
        closed: Callable[[TcpmuxRequest], object] = lambda request: None,
    ) -> None:
        """
        Begin to read.

        @param asked: called once, with the name in lower case, or C{None} if the client
            has sent none; the connection is the caller's from then on.
        @param others: the requests that it belongs to until then.
        @param source: the client's address, without a port.
        @param closed: called instead if the daemon stops before that.
        """
        self.connection = connection
        self.peer = peer
        self._reactor = reactor
        self._asked = asked
        self._others = others
        self._closed = closed
        self._line = b""
        self._timer = Timer(reactor)
        self._timer.start(TIMEOUT, self._timeOut)
        connection.setblocking(False)
        others.add(self, source)
        reactor.addReader(self)

    def doRead(self) -> None:
        """Read more of the client's first line."""
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
            self.fault = f"no end of line within {LONGEST} bytes"
            self._end(None)

    def _taken(self) -> bytes:
        """
        Read some bytes, none of which follows the first end of line.

        @raise OSError: if there are none and never will be.
        """
        room = LONGEST - len(self._line)
        seen = self.connection.recv(room, socket.MSG_PEEK)
        if not seen:
            raise OSError("end of file")
        line, end, _ = seen.partition(b"\n")
        return self.connection.recv(len(line + end))

    def _timeOut(self) -> None:
        self.fault = f"no service name within {TIMEOUT:g} seconds"
        self._end(None)

    def giveUp(self) -> None:
        """Stop reading, as another client needs the descriptor."""
        self.crowdedOut = True
        self._end(None)

    def _end(self, name: str | None) -> None:
        self._leave()
        self._asked(self, name)

    def _leave(self) -> None:
        """Remove the reader and cancel the timeout."""
        self._reactor.removeReader(self)
        self._others.discard(self)
        self._timer.cancel()

    def close(self) -> None:
        """Close the connection without a call of C{asked}."""
        self._leave()
        self.connection.close()
        self._closed(self)

    def connectionLost(self, reason: Failure) -> None:
        """Stop reading, as the client has disconnected or the reactor stops."""
        if self in self._others:
            self._end(None)

    def fileno(self) -> int:
        """Return the file descriptor of the connection."""
        return self.connection.fileno()

    def logPrefix(self) -> str:
        """Return the name of this reader for the reactor."""
        return "tcpmux"


class IPortlessService(Interface):
    """A service without a socket, which gets its clients from tcpmux."""

    def take(connection: socket.socket, peer: Any, asked: bool = True) -> None:
        """
        Serve a client as soon as there is capacity.

        @param connection: the service's from now on.
        @param peer: the client's address.
        @param asked: whether the client has asked tcpmux for the service, and so
            expects its reply.
        """


class PortlessServices(dict[str, IPortlessService]):
    """
    The services behind tcpmux, by name in lower case.

    @ivar requests: the clients that have not sent the name of a service yet.
    """

    def __init__(self) -> None:
        """Start with no service."""
        super().__init__()
        self.requests: Crowd[TcpmuxRequest] = Crowd()

    def text(self) -> bytes:
        """Return all names, each on a line, for a client that asks for C{help}."""
        return "".join(f"{name}\r\n" for name in sorted(self)).encode()

    def close(self) -> None:
        """Close the connections of all clients that have not sent a name yet."""
        for request in list(self.requests):
            request.close()
