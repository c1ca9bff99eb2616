# -*- test-case-name: inetdtw.serve.test.test_starter -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The starts of one service's programs: what each is ordered with, and where it is found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Callable

from inetdtw.interfaces import ILauncher, IPreparing, LaunchRequest
from inetdtw.launch.stderr import StderrReader
from inetdtw.log.failures import reasonOf, survived
from inetdtw.log.report import logFailure
from inetdtw.model.service import Service
from inetdtw.serve import environment
from inetdtw.serve.child import Child
from inetdtw.serve.runtime import Runtime
from inetdtw.system import executable
from inetdtw.system.descriptors import Purpose

#: The seconds after which a program is looked for in PATH again.
LOOK_AGAIN = 1.0


class ProgramStarter:
    """Starts the programs of one service."""

    def __init__(self, service: Service, runtime: Runtime, launcher: ILauncher) -> None:
        assert service.program is not None
        self._service = service
        self._runtime = runtime
        self._program = service.program
        self._path: str | None = None
        self._looked = 0.0
        named = not os.path.isabs(self._program.name)
        self._search = executable.candidates(self._program) if named else ()
        self._environment = environment.base(
            runtime.environ, service.login, service.variables
        )
        self.launcher = launcher

    def without(self, *names: str) -> None:
        """Have the programs do without variables of the daemon's environment."""
        for name in names:
            self._environment.pop(name, None)

    def launch(
        self,
        peer: Any,
        fds: tuple[int, int, int],
        done: Callable[[Child], None],
        extra: Mapping[str, str] = environment.NOTHING,
        restarts: int = 0,
        again: Callable[[], None] = lambda: None,
    ) -> Child:
        """
        Start the program.

        @param peer: the client's address, if it serves one client.
        @param fds: what becomes 0, 1 and 2; the caller may close them then.
        @param done: called when it has ended or could not be started, which can be
            before this returns.
        @param extra: what only this program's environment has.
        @param restarts: how often it may be started again for further datagrams.
        @param again: called for every time that it was.

        @return: the child.  Whatever goes wrong, it has failed: nothing is raised.
        """
        child = Child(self._service, peer, self._runtime, done)
        child.forget, child.again = self._forget, again
        try:
            path = child.path = self._find()
            order = self._order(path, fds, extra, restarts)
            if self._service.stderr == "socket":
                self.launcher.launch(child, order)
            else:
                self._launchApart(child, order)
        except executable.ExecutableNotFound as why:
            child.failed(str(why))
        except Exception as why:
            logFailure(self._service.name)
            if not child.over:
                survived(self._service.name, child.failed, reasonOf(why))
        return child

    @property
    def path(self) -> str | None:
        """The program that was found last."""
        return self._path

    def order(self, fd: int) -> LaunchRequest:
        """
        What to order for the connections of a listening socket.

        @param fd: the socket.

        @raise ExecutableNotFound: if there is no program now.
        """
        return self._order(self._find(), (fd, fd, fd))

    def _order(
        self,
        path: str,
        fds: tuple[int, int, int],
        extra: Mapping[str, str] = environment.NOTHING,
        restarts: int = 0,
    ) -> LaunchRequest:
        """What to order, with what is the same for all programs of the service."""
        argv, shared = self._program.argv, self._environment
        return LaunchRequest(path, argv, shared, extra, fds, restarts, self._search)

    def prepare(self) -> None:
        """Have the launcher get ready, if it can."""
        if IPreparing.providedBy(self.launcher):
            with suppress(executable.ExecutableNotFound):
                self.launcher.prepare(self.order(-1))

    def _launchApart(self, child: Child, order: LaunchRequest) -> None:
        """Start a program whose standard error is not the client's."""
        try:
            with self._standardError(child) as fd:
                # Another start would have the socket for everything.
                order = replace(order, fds=(*order.fds[:2], fd), restarts=0)
                self.launcher.launch(child, order)
        except OSError as why:
            child.path = None
            child.failed(f"no descriptor for standard error: {why.strerror}")

    @contextmanager
    def _standardError(self, child: Child) -> Iterator[int]:
        """A descriptor that is no client's, for as long as it takes to order."""
        if self._service.stderr == "log":
            credentials = self._service.context.credentials
            uid = -1 if credentials is None else credentials.uid
            runtime = self._runtime
            claim = runtime.descriptors.take(2, Purpose.CHILD, self._service.name)
            try:
                made = StderrReader(runtime.reactor, runtime.complaints, uid, claim)
            except OSError:
                claim.give()
                raise
            child.complaints = made
            yield child.complaints.writeEnd
            return
        null = os.open(os.devnull, os.O_RDWR)
        try:
            yield null
        finally:
            os.close(null)

    def _find(self) -> str:
        """
        Look for the program.  It is kept in mind until it could not be started:
        whoever executes it finds out whether it is still there.  One that is looked for
        in PATH may be another one after a second.

        @raise ExecutableNotFound: if there is none.
        """
        now = self._runtime.reactor.seconds()
        if self._path is None or (self._search and now >= self._looked + LOOK_AGAIN):
            context = self._service.context
            self._path = executable.guessExecutable(
                self._program, context.credentials, context.chroot
            )
            self._looked = now
        return self._path

    def _forget(self) -> None:
        """The program could not be started: look for it again the next time."""
        self._path = None
