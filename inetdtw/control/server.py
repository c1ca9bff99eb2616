# -*- test-case-name: inetdtw.control.test.test_server -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The control socket: a UNIX socket by which the user who runs the daemon, and root, can
ask it how it is and tell it what to do, in HTTP.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from zope.interface import implementer

from twisted.application.service import Service

from inetdtw.control.http import Answers, Site
from inetdtw.control.path import Folder
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.service import Ownership
from inetdtw.serve.port import IConnectionReceiver, StreamPort
from inetdtw.system import sockets
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose

#: The connections that may wait.
BACKLOG = 16

_CREDENTIALS = struct.Struct("3i")


@implementer(IConnectionReceiver)
class ControlSocket(Service):
    """
    Answers on a UNIX socket that only its owner and root can reach.

    The daemon serves without it, if it cannot be had.
    """

    name = "inetd control"

    def __init__(
        self,
        answers: Answers,
        path: str,
        report: Report,
        *,
        usual: bool = False,
        reactor: Any = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        """
        @param answers: what has the answers.
        @param path: where the socket is.
        @param usual: whether that is in the usual folder, which is made then.
        @param descriptors: the account of all file descriptors of this process.
        """
        if reactor is None:
            from twisted.internet import reactor
        self._path = path
        self._report = report
        self._reactor = reactor
        self._descriptors = Descriptors() if descriptors is None else descriptors
        account = DescriptorAccount(self._descriptors, Purpose.CONTROL, "", each=1)
        self._site = Site(answers, account)
        self._folder = Folder(os.path.dirname(path), os.geteuid()) if usual else None
        self._socket: socket.socket | None = None
        self._mark: sockets.BoundPath | None = None
        self._port: StreamPort | None = None
        self._lost = False

    def startService(self) -> None:
        """Begin to answer."""
        super().startService()
        self._begin()

    def _begin(self) -> None:
        """Get the socket, if it can be had."""
        try:
            self._listen()
        except OSError as why:
            if not self._lost:
                self._report.emit(
                    events.CONTROL_FAILED,
                    address=self._path,
                    reason=why.strerror or str(why),
                )
            self._giveUp()
            return
        self._lost = False
        self._report.emit(events.CONTROL, address=self._path)

    def check(self) -> None:
        """Get the socket again, if somebody has removed its path."""
        removed = self._mark is not None and not self._mark.there
        if not self.running or not (removed or self._lost):
            return
        if not self._lost:
            self._report.emit(
                events.CONTROL_FAILED, address=self._path, reason="its path was removed"
            )
            self._lost = True
        self._giveUp()
        self._begin()

    def _listen(self) -> None:
        """
        Get the socket.

        @raise OSError: if it cannot be had.
        """
        if self._folder is not None:
            self._folder.make()
        sock = self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._mark = sockets.bindPath(sock, self._path, Ownership(mode=0o600))
        sock.listen(BACKLOG)
        note = self._descriptors.note
        self._port = StreamPort(sock, self._reactor, self.name, self, note)
        self._port.start()

    def stopService(self) -> None:
        """Answer no more; nothing is left of the socket."""
        super().stopService()
        self._giveUp()

    def _giveUp(self) -> None:
        """Give up what there is."""
        if self._port is not None:
            self._port.stop()
            self._port = None
        if self._mark is not None:
            self._mark.remove()
            self._mark = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._folder is not None:
            self._folder.remove()

    def mayAccept(self) -> bool:
        """True: if there are many, the oldest goes for the next one."""
        return True

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Answer somebody who may ask."""
        with connection:
            if not isOurs(connection):
                return
            connection.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(
                    connection.fileno(), connection.family, self._site
                )
            except OSError:
                pass  # The client is gone, or no descriptor is left.

    def short(self, reason: str) -> None:
        """The machine is out of something."""
        self._report.emit(events.SHORTAGE, reason=reason)


def isOurs(connection: socket.socket) -> bool:
    """
    Whether the other end of a connection is root's, or of the same user as this one;
    where the system cannot tell, the permissions of the file have decided.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    said = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    return _CREDENTIALS.unpack(said)[1] in (0, os.geteuid())
