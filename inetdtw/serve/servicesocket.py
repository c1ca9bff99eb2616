# -*- test-case-name: inetdtw.serve.test.test_servicesocket -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The socket of one service, from its bind to its close."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from inetdtw.helpers.socketstate import Original, Spoiled
from inetdtw.log.failures import reasonOf, survived
from inetdtw.model.address import hostIn, peerText
from inetdtw.model.errors import ConfWarning
from inetdtw.model.service import Service
from inetdtw.serve.runtime import Runtime
from inetdtw.system import boundpath, sockets
from inetdtw.system.descriptors import Claim, Purpose
from inetdtw.system.sockdiag import receives
from inetdtw.text import native


class ServiceSocket:
    """
    The socket of one service.

    It is bound or inherited, restored after programs had it, replaced and closed.  A
    socket that was replaced stays open while replies go through it.

    @ivar service: the service, as of the last L{reconfigure}.
    @ivar socket: the socket; C{None} while there is none.
    @ivar inherited: whether the daemon was started with the socket.
    @ivar since: when it was opened, in seconds of the reactor's clock.
    """

    def __init__(self, service: Service, runtime: Runtime) -> None:
        """Start without a socket."""
        self.service = service
        self.socket: socket.socket | None = None
        self.inherited = False
        self.since = 0.0
        self._runtime = runtime
        self._places: tuple[Any, ...] = ()
        self._path: boundpath.BoundPath | None = None
        self._claim: Claim | None = None
        # Its options when no program had had it yet, and those that it should have.
        self._original: Original | None = None
        self._wanted: Original | None = None
        self._before: list[socket.socket] = []

    def open(self) -> None:
        """
        Take the socket that the daemon was started with, or bind one.

        @raise OSError: if there is no socket then.
        """
        self.socket = self._inherit() or self._create()
        self._own()
        self.since = self._runtime.reactor.seconds()
        self.closeUnneeded()

    def _inherit(self) -> socket.socket | None:
        """Return the socket that the daemon was started with, if there is one."""
        sock = self._runtime.inherited.take(self.service)
        self.inherited = sock is not None
        if sock is None:
            return None
        try:
            sockets.adopt(sock, self.service)
        except Exception:
            sock.close()
            raise
        return sock

    def _create(self) -> socket.socket:
        if self.service.address.isName:
            raise OSError(self._runtime.hostNames.retry(self.service.address))
        descriptors = self._runtime.descriptors
        if not descriptors.spare():
            # The services that have their socket could serve no client.
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made, self._path = sockets.createListener(self.service, self._before)
        descriptors.note(made.fileno())
        self._claim = descriptors.take(1, Purpose.LISTENER, self.service.name)
        return made

    def _own(self) -> None:
        """Register the socket with the reflector guard, if it is for datagrams."""
        guard = self._runtime.guard
        guard.disown(*self._places)
        self._places = ()
        if self.socket is not None and not self.service.isStream:
            where = self.socket.getsockname()
            unix = dict.fromkeys((where, self.service.address.host))
            self._places = (where[1],) if isinstance(where, tuple) else tuple(unix)
        guard.own(*self._places)

    def prepare(self, shared: bool) -> None:
        """
        Restore the socket, or remember its options before programs have it.

        @param shared: whether programs are to have it.
        """
        assert self.socket is not None
        if self._original is None:
            datagrams = not self.service.isStream
            self._original = Original(self.socket) if shared or datagrams else None
        else:
            with suppress(Spoiled):
                # L{fault} finds that again when it matters.
                self._original.restore(self._backlog())
        self._wanted = self._original
        if shared or self.inherited:
            self._runtime.shared.add(self.socket)

    def keepOptions(self) -> None:
        """Save the options that the socket has now, to restore these from now on."""
        if self._original is not None:
            assert self.socket is not None
            self._wanted = Original(self.socket)

    def _backlog(self) -> int | None:
        """Return the backlog of the service; C{None} if it must not be set."""
        return None if self.inherited else self.service.options.backlog

    def fault(self, ended: bool = False) -> str | None:
        """
        Restore the socket.

        @param ended: whether a program has just exited, which can have changed it; else
            another process has, which may do so again.

        @return: why clients cannot reach it; C{None} if they can.
        """
        if self._path is not None and not self._path.there:
            return "its path was removed, or leads to another file"
        if self._wanted is not None:
            try:
                found = self._wanted.restore(self._backlog())
            except (OSError, Spoiled) as why:
                return str(why)
            return None if ended else found or self._takenOver()
        return None

    def _takenOver(self) -> str | None:
        """Return why datagrams do not reach the socket, if another receives them."""
        assert self.socket is not None
        # One that was inherited may share its port on purpose.
        if self.service.isStream or self.inherited or receives(self.socket):
            return None
        return "another socket gets its datagrams"

    def reconfigure(self, service: Service) -> None:
        """Change the options, owner and backlog of the socket; log a failure."""
        before, self.service = self.service, service
        if self.socket is None:
            return
        after = service
        if self.inherited:
            options = replace(after.options, backlog=before.options.backlog)
            after = replace(after, options=options)
        try:
            with nullcontext() if self._original is None else self._original.changing():
                sockets.reconfigure(self.socket, self._path, before, after)
        except Exception as why:
            reason = f"socket options not changed: {reasonOf(why)}"
            warning = ConfWarning(after.location, "service", reason)
            self._runtime.report.configWarning(warning)

    def retire(self) -> None:
        """Release the socket, which is closed when no replies go through it."""
        if self._path is not None:
            # It identifies the file as long as the socket is open.
            survived(self.service.name, self._path.remove)
            self._path = None
        if self.socket is not None:
            self._runtime.shared.discard(self.socket)
            self._before.append(self.socket)
        self.socket = self._original = self._wanted = None
        self._own()
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def close(self) -> None:
        """Close the socket, and those before it."""
        self.retire()
        while self._before:
            sock = self._before.pop()
            survived(self.service.name, self._runtime.closeReplies, sock)
            sock.close()

    def closeUnneeded(self) -> None:
        """Close the previous sockets through which no replies go any more."""
        if self._before:
            needed = {id(each.through) for each in self._runtime.sessions}
            for sock in [each for each in self._before if id(each) not in needed]:
                sock.close()
                self._before.remove(sock)

    def getHost(self) -> IAddress | None:
        """Return the address of the socket; C{None} while there is no socket."""
        if self.socket is None:
            return None
        where = self.socket.getsockname()
        if not isinstance(where, tuple):
            # It may have been bound by another path of its directory.
            path = where if self.inherited else native(self.service.address.host)
            return UNIXAddress(path)
        family = IPv6Address if len(where) > 2 else IPv4Address
        return family("TCP" if self.service.isStream else "UDP", *where)

    def address(self) -> str:
        """Return the address that it is, or should be, bound to, for the log."""
        where = None if self.socket is None else self.socket.getsockname()
        if not isinstance(where, tuple):
            return str(self.service.address)
        return peerText((hostIn(where), where[1]))
