# -*- test-case-name: inetdtw.serve.test.test_datagram -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What programs that have a datagram each write back to its sender."""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.log.failures import survived
from inetdtw.serve.runtime import Runtime

_LARGEST = 1 << 16
#: The seconds for which is heard what programs that have ended left behind.
LAST_ANSWER = 0.2
#: More messages than there is room for in a socket.
_MOST = 512


@implementer(IReadDescriptor)
class ReplySocket:
    """
    Sends what a program writes back to who asked, one datagram for each write.

    @ivar through: the socket that the answers are sent through.
    """

    def __init__(
        self,
        sock: socket.socket,
        runtime: Runtime,
        through: Any,
        service: str,
        send: Callable[[bytes], None],
        closed: Callable[[ReplySocket], None],
    ) -> None:
        """
        @param through: the socket that the answers are sent through.
        @param service: the name of the service.
        @param send: called with each message.
        @param closed: called when no more are taken.
        """
        sock.setblocking(False)
        self._socket = sock
        self.through = through
        self._service = service
        self._reactor = reactor = runtime.reactor
        self._send = send
        self._closed = closed
        self._others = runtime.replies
        runtime.replies.add(self)
        reactor.addReader(self)

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """The name of this reader for the reactor."""
        return "answers"

    def doRead(self) -> None:
        """The program has written something, or closed its end."""
        self._take()

    def _take(self) -> bool:
        """
        Send one answer.

        @return: whether there was one, and may be more.
        """
        try:
            message = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if message and survived(self._service, self._send, message):
            return True
        self.close()
        return False

    def finish(self) -> None:
        """Send what is there, and take no more answers."""
        for _ in range(_MOST):
            if not self._take():
                break
        self.close()

    def close(self) -> None:
        """Take no more answers."""
        if self.fileno() < 0:
            return
        self._others.discard(self)
        self._reactor.removeReader(self)
        self._socket.close()
        self._closed(self)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops."""
        self.close()


class DatagramSession:
    """
    One program, from its datagram until it has ended and all it wrote is sent.

    What it has left behind may have its descriptors for ever, each of which costs the
    daemon one: that is heard for a moment only, and the program counts until then.
    """

    def __init__(self, reactor: Any, over: Callable[[], None]) -> None:
        """@param over: called at the end."""
        self._reactor = reactor
        self._over = over
        self._answers: set[ReplySocket] = set()
        self._ended = False
        self._later: Any = None

    def add(self, answers: ReplySocket) -> None:
        """The program can answer this way as well."""
        self._answers.add(answers)

    def closed(self, answers: ReplySocket) -> None:
        """It can no more."""
        self._answers.discard(answers)
        if self._ended and not self._answers:
            self._close()

    def ended(self) -> None:
        """The program has ended, or could not be started."""
        self._ended = True
        if self._answers:
            self._later = self._reactor.callLater(LAST_ANSWER, self._finish)
        else:
            self._close()

    def _finish(self) -> None:
        """Whoever has its descriptors is not heard any more."""
        self._later = None
        for answers in list(self._answers):
            answers.finish()

    def _close(self) -> None:
        """That was all."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._over()
