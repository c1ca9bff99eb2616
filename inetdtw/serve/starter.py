# -*- test-case-name: inetdtw.serve.test.test_starter -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Starts the programs of one service."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Callable, TypeVar

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

Reader = TypeVar("Reader", bound=StderrReader)


class ProgramStarter:
    """Finds the executable of a service, and requests launches of it."""

    def __init__(self, service: Service, runtime: Runtime, launcher: ILauncher) -> None:
        """
        Take the environment that all programs of the service share.

        @param launcher: what starts the programs.
        """
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
        """Remove variables from the environment of all programs."""
        for name in names:
            self._environment.pop(name, None)

    def launch(
        self,
        peer: Any,
        fds: tuple[int, int, int],
        done: Callable[[Child], None],
        extra: Mapping[str, str] = environment.NOTHING,
    ) -> Child:
        """
        Start the program.

        @param peer: the client's address, if it serves one client.
        @param fds: what becomes 0, 1 and 2; the caller may close them then.
        @param done: called when it has ended or could not be started, which can be
            before this returns.
        @param extra: what only this program's environment has.

        @return: the child.  Whatever goes wrong, it has failed: nothing is raised.
        """
        child = Child(self._service, peer, self._runtime, done)
        child.forget = self._forget
        try:
            path = child.path = self._find()
            request = self._request(path, fds, extra)
            if self._service.stderr == "socket":
                self.launcher.launch(child, request)
            else:
                self._launchApart(child, request)
        except executable.ExecutableNotFound as why:
            child.failed(str(why))
        except Exception as why:
            logFailure(self._service.name)
            if not child.over:
                survived(self._service.name, child.failed, reasonOf(why))
        return child

    @property
    def path(self) -> str | None:
        """The executable that was found last."""
        return self._path

    def request(self, fd: int) -> LaunchRequest:
        """
        Return the launch request for the clients of a delegated socket.

        @param fd: the socket.

        @raise ExecutableNotFound: without an executable now.
        """
        return self._request(self._find(), (fd, fd, fd))

    def _request(
        self,
        path: str,
        fds: tuple[int, int, int],
        extra: Mapping[str, str] = environment.NOTHING,
    ) -> LaunchRequest:
        """Return a launch request with what all programs of the service share."""
        argv, shared = self._program.argv, self._environment
        return LaunchRequest(path, argv, shared, extra, fds, self._search)

    def prepare(self) -> None:
        """Let the launcher get ready for the program, if it can."""
        if IPreparing.providedBy(self.launcher):
            with suppress(executable.ExecutableNotFound):
                self.launcher.prepare(self.request(-1))

    def _launchApart(self, child: Child, request: LaunchRequest) -> None:
        """Start a program whose standard error is not the client's."""
        try:
            with self._standardError(child) as fd:
                request = replace(request, fds=(*request.fds[:2], fd))
                self.launcher.launch(child, request)
        except OSError as why:
            child.path = None
            child.failed(f"no descriptor for standard error: {why.strerror}")

    @contextmanager
    def _standardError(self, child: Child) -> Iterator[int]:
        """Open a descriptor for standard error, for as long as the launch takes."""
        if self._service.stderr == "log":
            child.stderr = self.stderrReader(StderrReader, Purpose.CHILD)
            yield child.stderr.writeEnd
            return
        null = os.open(os.devnull, os.O_RDWR)
        try:
            yield null
        finally:
            os.close(null)

    def stderrReader(self, make: type[Reader], purpose: Purpose) -> Reader:
        """
        Make a pipe for standard error, and what reads it.

        @param make: L{StderrReader} or a subclass.
        @param purpose: what the descriptors are counted for.

        @raise OSError: if descriptors are short.
        """
        credentials = self._service.context.credentials
        uid = -1 if credentials is None else credentials.uid
        runtime = self._runtime
        claim = runtime.descriptors.take(2, purpose, self._service.name)
        try:
            return make(runtime.reactor, runtime.stderrReaders, uid, claim)
        except OSError:
            claim.release()
            raise

    def _find(self) -> str:
        """
        Return the path of the executable.

        It is looked for again when it could not be started: exec finds out whether it
        is still there.  One that is looked for in PATH may be another one after a
        second.

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
        """Look for the executable again at the next launch."""
        self._path = None
