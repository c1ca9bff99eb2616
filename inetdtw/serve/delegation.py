# -*- test-case-name: inetdtw.serve.test.test_delegation -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Which process starts the programs for a socket: the daemon, or the launcher's.

A socket is delegated if the daemon has nothing to do for a client except to start a
program.  It is returned when the launcher starts no more programs, or the daemon has to
count programs before they start, and delegated again after a client.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from enum import Enum
from typing import Callable

from inetdtw.interfaces import (
    IAcceptDelegate,
    IDelegatingLauncher,
    IWaitDelegatingLauncher,
    LaunchRequest,
)
from inetdtw.launch.sharedstderr import SharedStderrReader
from inetdtw.model.state import PauseReason
from inetdtw.serve.port import SocketPort
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.system.descriptors import Purpose
from inetdtw.system.executable import ExecutableNotFound

#: How many sockets are delegated from the start.  Each descriptor of a process slows
#: down all its starts of programs, so that others are delegated after a first client.
IDLE = 64


class Acceptor(Enum):
    """
    Which process starts the programs for a socket.

    @cvar DAEMON: the daemon.
    @cvar LAUNCHER: a process of the launcher, to which the socket is delegated.
    @cvar RETURNING: the launcher's process still may, but was requested to stop.
    """

    DAEMON = "daemon"
    LAUNCHER = "launcher"
    RETURNING = "returning"


class SocketDelegation:
    """
    The delegation of one socket to the launcher of its service.

    @ivar stderr: what reads the standard error of the launcher's programs, if the log
        has it.
    """

    def __init__(
        self,
        given: ServiceRuntime,
        port: SocketPort,
        starter: ProgramStarter,
        watcher: IAcceptDelegate,
        resume: Callable[[], None],
    ) -> None:
        """
        Delegate nothing yet.

        @param port: the socket; it is paused while it is delegated.
        @param watcher: what counts the programs that the launcher has started.
        @param resume: called when the daemon is to read a socket that was delegated.
        """
        self._service = given.service
        self._budget = given.runtime.budget
        self._shared = given.runtime.shared
        self._limits = given.limits
        self._port = port
        self._starter = starter
        self._watcher = watcher
        self._resume = resume
        self._acceptor = Acceptor.DAEMON
        self._number = 0
        self._descriptors = given.runtime.descriptors
        self.stderr: SharedStderrReader | None = None
        # Which process should start the programs; C{None} for none.
        self._wanted: Acceptor | None = None
        self._retired: Callable[[], None] | None = None

    @property
    def active(self) -> bool:
        """Whether a process of the launcher may start programs."""
        return self._acceptor is not Acceptor.DAEMON

    @property
    def due(self) -> bool:
        """Whether to delegate the socket again after a client."""
        if self._acceptor is not Acceptor.DAEMON:
            return False
        few = self._limits.running <= self._budget.leaseSize // 2
        return self._wanted is Acceptor.LAUNCHER and few

    def start(self) -> None:
        """
        Delegate the socket, or have the daemon read it.

        Where many sockets are delegated already, this one is after its first client.
        """
        self._starter.prepare()
        possible = self._delegate() is not None
        self._wanted = Acceptor.LAUNCHER if possible else Acceptor.DAEMON
        if self._budget.delegations >= IDLE or not self._begin():
            self._port.start()

    def _begin(self) -> bool:
        """
        Delegate the socket, if the launcher can do that.

        @return: whether it is delegated.
        """
        delegate = self._delegate()
        if delegate is None or not self._budget.mayDelegate:
            return False
        try:
            request = self._request()
        except (ExecutableNotFound, OSError):
            return False
        try:
            self._number = delegate(self._watcher, request)
        except Exception:
            self._retireStderr()
            raise
        self._acceptor = Acceptor.LAUNCHER
        self._budget.addDelegation(self.withdraw)
        return True

    def _request(self) -> LaunchRequest:
        """
        Return the launch request for all programs, with a pipe for standard error.

        @raise ExecutableNotFound: without an executable now.
        @raise OSError: if descriptors are short.
        """
        request = self._starter.request(self._port.fileno())
        if self._service.stderr != "log":
            return request
        if not self._descriptors.spare(2):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made = self._starter.stderrReader(SharedStderrReader, Purpose.HELPER)
        self.stderr = made
        return replace(request, fds=(*request.fds[:2], made.writeEnd))

    def _delegate(self) -> Callable[..., int] | None:
        """Return what delegates the socket; C{None} if the daemon is needed."""
        service, launcher = self._service, self._starter.launcher
        if not service.bounds.none or service.stderr == "null":
            return None
        if not service.wait:
            if service.stderr == "log":
                # Each program has a pipe of its own.
                return None
            accepts = IDelegatingLauncher.providedBy(launcher)
            alone = self._port.socket not in self._shared
            return IDelegatingLauncher(launcher).delegate if accepts and alone else None
        waits = IWaitDelegatingLauncher.providedBy(launcher) and not service.isStream
        return IWaitDelegatingLauncher(launcher).delegateWait if waits else None

    def withdraw(self, again: bool = True) -> None:
        """
        Have the daemon read the socket, if it is delegated.

        The programs of all services can be counted before they are started then.

        @param again: whether it may be delegated again.
        """
        if self._acceptor is not Acceptor.LAUNCHER:
            return
        self._wanted = Acceptor.LAUNCHER if again else Acceptor.DAEMON
        self._end()
        if not self._service.wait:
            # Until the launcher's process has stopped, both accept.
            self._resume()

    def _end(self) -> None:
        self._acceptor = Acceptor.RETURNING
        self._budget.removeDelegation(self.withdraw)
        launcher = IDelegatingLauncher(self._starter.launcher)
        launcher.withdraw(self._number, self._withdrawn)

    def _withdrawn(self) -> None:
        """Go on, as the launcher starts no more programs."""
        self._acceptor = Acceptor.DAEMON
        self._retireStderr()
        if self._retired is not None:
            done, self._retired = self._retired, None
            done()
        elif self._service.wait and self._wanted is not None:
            self._resume()

    def _retireStderr(self) -> None:
        """Read the standard error of programs until these have exited."""
        if self.stderr is not None:
            self.stderr.retire()
            self.stderr = None

    def stop(self) -> None:
        """Do not delegate the socket any more."""
        self._wanted = None
        if self._acceptor is Acceptor.LAUNCHER:
            self._end()

    def whenFree(self, done: Callable[[], None]) -> None:
        """Call C{done} when the launcher starts no more programs, after L{stop}."""
        if self._acceptor is Acceptor.RETURNING:
            self._retired = done
        else:
            done()

    def released(self) -> None:
        """Delegate the socket again, if that is due, as a program has exited."""
        if self.due and self._begin():
            self._port.holds.pause(PauseReason.IDLE)

    def pauses(self) -> list[PauseReason]:
        """Return why no clients are accepted, wherever that is done."""
        reasons = self._port.holds.reasons
        if self._acceptor is not Acceptor.LAUNCHER:
            return reasons
        return [reason for reason in reasons if reason is PauseReason.CHILD]
