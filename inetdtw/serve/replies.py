# -*- test-case-name: inetdtw.serve.test.test_replies -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Replies of the programs of C{dgram nowait} services, to the senders of datagrams."""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.log.failures import survived
from inetdtw.system.timer import Timer

_LARGEST = 1 << 16
#: The seconds for which the background children of a program may still reply.
LAST_REPLY = 0.2
#: More messages than the buffer of a socket holds.
_MOST = 512


@implementer(IReadDescriptor)
class ReplySocket:
    """
    The daemon's end of a socket that a program writes replies to.

    Each write of the program is one message, and one datagram.
    """

    def __init__(self, sock: socket.socket, session: DatagramSession) -> None:
        """
        Begin to read.

        @param sock: the daemon's end, which this closes.
        """
        sock.setblocking(False)
        self._socket = sock
        self._session = session
        session.reactor.addReader(self)

    def fileno(self) -> int:
        """Return the file descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Return the name of this reader for the reactor."""
        return "answers"

    def doRead(self) -> None:
        """Send a message that the program has written."""
        self._take()

    def _take(self) -> bool:
        """
        Send one message, or close the socket at EOF.

        @return: whether there was a message, so that there may be more.
        """
        try:
            message = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if message and survived(self._session.service, self._session.send, message):
            return True
        self.close()
        return False

    def finish(self) -> None:
        """Send what the program has written, and close the socket."""
        for _ in range(_MOST):
            if not self._take():
                break
        self.close()

    def close(self) -> None:
        """Close the socket, and discard what the program writes."""
        if self.fileno() < 0:
            return
        self._session.reactor.removeReader(self)
        self._socket.close()
        self._session.closed(self)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, as the reactor stops."""
        self.close()


class DatagramSession:
    """
    A program from its datagram until it has exited and its replies are sent.

    Background children of the program may keep its descriptors open for ever, and each
    costs the daemon one.  So the daemon reads them for L{LAST_REPLY} after the exit,
    and counts the program as running until then.

    @ivar reactor: the reactor.
    @ivar service: the name of the service.
    @ivar through: the socket that the replies are sent through.
    @ivar send: called with each message of the program.
    """

    def __init__(
        self,
        reactor: Any,
        sessions: set[DatagramSession],
        service: str,
        through: socket.socket,
        send: Callable[[bytes], None],
        over: Callable[[], None],
    ) -> None:
        """
        Begin without a socket that the program can write to.

        @param sessions: has this one while there are such sockets.
        @param send: called with each message of the program.
        @param over: called at the end.
        """
        self.reactor = reactor
        self.service = service
        self.through = through
        self.send = send
        self._over = over
        self._sessions = sessions
        self._replies: set[ReplySocket] = set()
        self._ended = False
        self._timer = Timer(self.reactor)

    def add(self, sock: socket.socket) -> None:
        """Add the daemon's end of a socket that the program can write to."""
        self._replies.add(ReplySocket(sock, self))
        self._sessions.add(self)

    def closed(self, reply: ReplySocket) -> None:
        """Remove a socket that was closed."""
        self._replies.discard(reply)
        if not self._replies:
            self._sessions.discard(self)
            if self._ended:
                self._close()

    def leave(self) -> None:
        """Stop sending replies."""
        for reply in list(self._replies):
            reply.close()

    def ended(self) -> None:
        """Close the sockets soon, as the program has exited or could not be started."""
        self._ended = True
        if self._replies:
            self._timer.start(LAST_REPLY, self._finish)
        else:
            self._close()

    def _finish(self) -> None:
        for reply in list(self._replies):
            reply.finish()

    def _close(self) -> None:
        self._timer.cancel()
        self._over()
