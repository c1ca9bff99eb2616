# -*- test-case-name: inetdtw.serve.test.test_internal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What all ways to serve a socket have in common: a port, and the gate that holds it."""

from __future__ import annotations

from typing import Callable

from zope.interface import implementer

from inetdtw.interfaces import IListener
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.port import SocketPort


@implementer(IListener)
class GatedListener:
    """
    Serves a socket while nothing holds its port, takes a client only when its gate lets
    it, and does not need the socket any more when it has stopped.

    @ivar busy: whether a program has the socket.
    @ivar restored: called when a program has had the socket, to have it as it was;
        says whether the socket is still this listener's.
    """

    busy = False
    restored: Callable[[], bool] = staticmethod(lambda: True)

    def __init__(self, port: SocketPort, gate: AdmissionControl) -> None:
        self._port = port
        self._gate = gate
        gate.port = port

    def start(self) -> None:
        """Begin to take clients."""
        self._port.start()

    def retire(self, done: Callable[[], None]) -> None:
        """Take no more clients; the socket is free."""
        self.stop()
        done()

    def stop(self) -> None:
        """Take no more clients."""
        self._port.stop()
        self._gate.close()

    def released(self) -> None:
        """One of the clients is served."""
        self._gate.reopen()

    def watched(self, dropped: Callable[[], None]) -> None:
        """Say who is told when the reactor cannot wait for the socket any more."""
        self._port.dropped = dropped

    def held(self) -> list[str]:
        """Why no clients are taken."""
        return self._port.reasons

    def resumes(self) -> float | None:
        """When that is over."""
        return self._port.resumes
