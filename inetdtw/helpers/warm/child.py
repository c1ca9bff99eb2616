# -*- test-case-name: inetdtw.helpers.warm.test.test_child -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What a forked process does until the program runs.

A page of memory is copied when a child first changes a reference count in it.  So this
is written for few objects: a child destroys nothing, and uses what was made before.
"""

from __future__ import annotations

import errno
import posix
from posix import close, dup2

from inetdtw.helpers.reports import FAILED, REPORT, STARTED
from inetdtw.helpers.warm.listeners import DelegatedListeners
from inetdtw.helpers.warm.process import ChildSignal
from inetdtw.helpers.warm.template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from inetdtw.helpers.warm.program import Call


class ForkedChild:
    """The next child of this process."""

    def __init__(
        self,
        channel: Any,
        signal: ChildSignal,
        listeners: DelegatedListeners,
        template: Template,
    ) -> None:
        """
        Do nothing at first: it does not L{prepare} yet.

        @param channel: the socket that leads to the daemon.
        """
        self._channel = channel
        self._signal = signal
        self._listeners = listeners
        self._template = template
        self._calls: tuple[Call, ...] = ()

    def prepare(self) -> None:
        """Note what every child does first, as calls: so it looks nothing up for it."""
        own = (self._channel.fileno(), *self._signal.fds)
        self._calls = (
            (posix.setsid, ()),
            *self._signal.restoring(),
            *self._template.limit.restoring(),
            *[(close, (fd,)) for fd in own],
        )

    def run(
        self,
        number: int,
        cold: bool,
        fds: list[int],
        variables: Iterable[tuple[bytes, bytes]],
    ) -> Call:
        """
        Become a client's program.

        @param number: the number of the launch request, or 0.
        @param cold: whether to execute the interpreter.
        @param fds: the descriptors of the client.  That of a client that was accepted
            here is a socket.
        @param variables: what is added to the environment.
        @return: the call that runs the program.
        """
        try:
            if number:
                self._announce(number, cold)
            self.take(fds)
            if not cold:
                self._template.enter(variables, number > 0)
                call: Call = self._template.program.enter()
                return call
        except BaseException:
            pass  # the interpreter itself can do better, whatever it is
        self._template.cold.execute(dict(variables))
        posix._exit(127)

    def take(self, fds: list[int]) -> None:
        """
        Make the descriptors of a client those of this process.

        @param fds: as for L{run}; they are closed.
        """
        for call, given in self._calls:
            call(*given)
        last = len(fds) - 1
        for to in range(3):
            dup2(fds[min(to, last)], to)
        for fd in (*fds, *self._listeners.sockets):
            close(fd)

    def _announce(self, number: int, cold: bool) -> None:
        """
        Report that this child runs.

        The child reports it itself: as long as it can, the channel is open, so the
        daemon knows when no child will any more.  A cold start that cannot work is left
        to the daemon, which can say why.
        """
        if cold and not self._template.cold.isPossible():
            self._channel.send(REPORT.pack(FAILED, number, 0, errno.ENOENT, 0))
            posix._exit(127)
        self._channel.send(REPORT.pack(STARTED, number, posix.getpid(), cold, 0))

    def forget(self) -> None:
        """
        Let go of the sockets that L{run} has closed.

        Otherwise they would be closed once more when the interpreter destroys them, and
        their descriptors can be the program's by then.
        """
        self._channel.detach()
        for _, listening in self._listeners.sockets.values():
            listening.detach()
