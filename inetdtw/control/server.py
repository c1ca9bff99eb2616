# -*- test-case-name: inetdtw.control.test.test_server -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The control socket: HTTP on a UNIX socket, for the daemon's user and root."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from zope.interface import implementer

from twisted.application.service import Service

from inetdtw.control.api import Respond
from inetdtw.control.http import Site
from inetdtw.control.path import SocketDirectory, pathsLike
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.service import Ownership
from inetdtw.serve.port import IConnectionReceiver, StreamPort
from inetdtw.system import boundpath
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.peer import peerOf

#: The length of the backlog.
BACKLOG = 16


@implementer(IConnectionReceiver)
class ControlSocket(Service):
    """
    Serves the API on a UNIX socket that only its owner and root can connect to.

    If it cannot be bound, the daemon serves without it.
    """

    name = "inetd control"

    def __init__(
        self,
        respond: Respond,
        path: str,
        usual: bool,
        report: Report,
        reactor: Any,
        descriptors: Descriptors,
    ) -> None:
        """
        Bind nothing yet.

        @param respond: executes the requests.
        @param path: the path of the socket.
        @param usual: whether that is the default path, whose directory is made.
        @param descriptors: the account of all file descriptors of this process.
        """
        self._path = path
        self._report = report
        self._reactor = reactor
        self._descriptors = descriptors
        account = DescriptorAccount(descriptors, Purpose.CONTROL, "", each=1)
        self._site = Site(respond, account)
        where = os.path.dirname(path)
        self._directory = SocketDirectory(where, os.geteuid()) if usual else None
        self._socket: socket.socket | None = None
        self._bound: boundpath.BoundPath | None = None
        self._port: StreamPort | None = None
        self._lost = False

    def startService(self) -> None:
        """Serve."""
        super().startService()
        self._begin()

    def _begin(self) -> None:
        """Bind the socket, or log why that fails."""
        try:
            path = self._bind()
        except OSError as why:
            if not self._lost:
                self._logFailed(why.strerror or str(why))
            return
        self._lost = False
        if path == self._path:
            self._report.emit(events.CONTROL, address=path)
            return
        reason = f"another daemon has {self._path}; give commands --control {path}"
        self._report.emit(events.CONTROL_SECOND, address=path, reason=reason)

    def _logFailed(self, reason: str) -> None:
        self._report.emit(events.CONTROL_FAILED, address=self._path, reason=reason)

    def _bind(self) -> str:
        """
        Bind the socket to the first path that no other daemon has.

        @return: the path.
        @raise OSError: if that fails.
        """
        others = [] if self._directory is None else pathsLike(self._path)[1:]
        path = self._path
        while True:
            try:
                self._listen(path)
                return path
            except OSError as why:
                self._close()
                if why.errno != errno.EADDRINUSE or not others:
                    raise
            path = others.pop(0)

    def check(self) -> None:
        """Bind the socket again, if its path was removed."""
        removed = self._bound is not None and not self._bound.there
        if not self.running or not (removed or self._lost):
            return
        if not self._lost:
            self._logFailed("its path was removed")
            self._lost = True
        self._close()
        self._begin()

    def _listen(self, path: str) -> None:
        """
        Bind the socket to a path.

        @raise OSError: if that fails.
        """
        if self._directory is not None:
            self._directory.make()
        sock = self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._bound = boundpath.bindPath(sock, path, Ownership(mode=0o600))
        sock.listen(BACKLOG)
        note = self._descriptors.note
        self._port = StreamPort(sock, self._reactor, self.name, self, note)
        self._port.start()

    def stopService(self) -> None:
        """Close the socket, and remove its path."""
        super().stopService()
        self._close()

    def _close(self) -> None:
        if self._port is not None:
            self._port.stop()
            self._port = None
        if self._bound is not None:
            self._bound.remove()
            self._bound = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._directory is not None:
            self._directory.remove()

    def mayAccept(self) -> bool:
        """Return true: if there are too many, the oldest is closed."""
        return True

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Serve a connection of the daemon's user, or of root."""
        with connection:
            if not isTrusted(connection):
                return
            connection.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(
                    connection.fileno(), connection.family, self._site
                )
            except OSError:
                pass  # The client is gone, or no descriptor is left.

    def short(self, reason: str) -> None:
        """Log a resource shortage in accept(2)."""
        self._report.emit(events.SHORTAGE, reason=reason)


def isTrusted(connection: socket.socket) -> bool:
    """
    Tell whether the peer of a connection is root, or this process' user.

    Without C{SO_PEERCRED} the permissions of the path have decided.
    """
    peer = peerOf(connection)
    return peer is None or peer.uid in (0, os.geteuid())
