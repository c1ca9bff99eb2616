# -*- test-case-name: inetdtw.test.test_child -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
One child of a service: a program from its launch to its end.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from zope.interface import implementer

from inetdtw import environment, program
from inetdtw.builtin import ReflectorGuard
from inetdtw.complaints import Complaints
from inetdtw.interfaces import Exit, IChild, ILauncher, IPreparing, Order
from inetdtw.report import Report
from inetdtw.service import Service
from inetdtw.tcpmux import Names


@dataclass
class Starts:
    """
    How often the programs of one service were started.

    @ivar warm: by forking an interpreter that was ready.
    @ivar cold: otherwise.
    """

    warm: int = 0
    cold: int = 0

    def count(self, warm: bool | None) -> None:
        """
        Count one.
        """
        if warm:
            self.warm += 1
        else:
            self.cold += 1


@dataclass(frozen=True)
class Host:
    """
    What the daemon has for all its services.

    @ivar reactor: the reactor.
    @ivar report: the log.
    @ivar environ: the daemon's environment.
    @ivar guard: which datagrams internal services must not answer.
    @ivar wallclock: the time, in seconds since the epoch.
    @ivar complaints: what reads the standard error of programs.
    @ivar answers: what sends the answers of programs that have a datagram each; an
        answer has a C{close()}, and the socket that it goes C{through}.
    @ivar names: the services behind tcpmux.
    @ivar starts: how often the programs of each service were started, by its name.
    """

    reactor: Any
    report: Report
    environ: Mapping[str, str]
    guard: ReflectorGuard
    wallclock: Callable[[], float]
    complaints: set[Complaints] = field(default_factory=set)
    answers: set[Any] = field(default_factory=set)
    names: Names = field(default_factory=Names)
    starts: dict[str, Starts] = field(default_factory=lambda: defaultdict(Starts))

    def leave(self, sock: Any) -> None:
        """
        Send no more answers through a socket.
        """
        for answer in [each for each in self.answers if each.through is sock]:
            answer.close()


@implementer(IChild)
class Child:
    """
    One program, as its service and its launcher see it.

    @ivar peer: the client's address, if it serves one client.
    @ivar pid: the process id, once it runs.
    @ivar since: when it was ordered, in seconds of the reactor's clock.
    @ivar how: how it ended, if it has ended after it ran.
    @ivar path: what is executed, once it was found.
    @ivar warm: whether it was forked from an interpreter that was ready, if there is
        one for its service.
    @ivar forget: called when that could not be started.
    @ivar again: called when it was started once more.
    @ivar complaints: what reads its standard error, if anything does.
    """

    path: str | None = None
    warm: bool | None = None
    complaints: Complaints | None = None
    forget: Callable[[], None]
    again: Callable[[], None]

    def __init__(
        self, service: Service, peer: Any, host: Host, done: Callable[[Child], None]
    ) -> None:
        """
        @param done: called once, when it has ended or could not be started.
        """
        self.peer = peer
        self.pid: int | None = None
        self.since: float = host.reactor.seconds()
        self.how: Exit | None = None
        self._service = service
        self._name = service.name
        self._host = host
        self._done = done

    def started(self, pid: int) -> None:
        """
        It runs.
        """
        self.pid = pid
        self._host.starts[self._name].count(self.warm)
        self._host.report.start(self._name, pid, self.peer, self.warm)
        if self.complaints is not None:
            self.complaints.start(self._complain)

    def _complain(self, line: str) -> None:
        """
        It has written a line to its standard error.
        """
        assert self.pid is not None
        self._host.report.stderr(self._name, self.pid, self.peer, line)

    def failed(self, reason: str) -> None:
        """
        It could not be started.
        """
        if self.path is not None:
            reason = f"'{self.path}': {reason}"
            self.forget()
        if self.complaints is not None:
            self.complaints.finish()
        self._host.report.fail(self._name, self.peer, reason)
        self._done(self)

    def ended(self, how: Exit) -> None:
        """
        It has ended.
        """
        if self.complaints is not None:
            self.complaints.finish()
        self._over(how)
        self._done(self)

    def repeated(self, how: Exit) -> Child:
        """
        It has ended, and was started again.
        """
        self._over(how)
        self.again()
        following = Child(self._service, self.peer, self._host, self._done)
        following.path, following.forget = self.path, self.forget
        following.again = self.again
        following.warm = self.warm
        return following

    def _over(self, how: Exit) -> None:
        """
        Say how it ended.
        """
        self.how = how
        seconds = self._host.reactor.seconds() - self.since
        assert self.pid is not None
        self._host.report.end(self._name, self.pid, self.peer, how, seconds)


class Launches:
    """
    Starts the programs of one service.
    """

    def __init__(self, service: Service, host: Host, launcher: ILauncher) -> None:
        assert service.program is not None
        self._service = service
        self._host = host
        self._program = service.program
        self._path: str | None = None
        self._environment = environment.base(
            host.environ, service.login, service.variables
        )
        self.launcher = launcher

    def without(self, *names: str) -> None:
        """
        Have the programs do without variables of the daemon's environment.
        """
        for name in names:
            self._environment.pop(name, None)

    def launch(
        self,
        peer: Any,
        fds: tuple[int, int, int],
        done: Callable[[Child], None],
        extra: Mapping[str, str] = environment.NOTHING,
        repeats: int = 0,
        again: Callable[[], None] = lambda: None,
    ) -> Child:
        """
        Start the program.

        @param peer: the client's address, if it serves one client.
        @param fds: what becomes 0, 1 and 2; the caller may close them then.
        @param done: called when it has ended or could not be started, which can be
            before this returns.
        @param extra: what only this program's environment has.
        @param repeats: how often it may be started again for further datagrams.
        @param again: called for every time that it was.
        """
        child = Child(self._service, peer, self._host, done)
        try:
            path = child.path = self._path or self._find()
        except program.ProgramMissing as why:
            child.failed(str(why))
            return child
        child.forget, child.again = self._forget, again
        order = Order(path, self._program.argv, self._environment, extra, fds, repeats)
        if self._service.stderr == "socket":
            self.launcher.launch(child, order)
        else:
            self._launchApart(child, order)
        return child

    @property
    def path(self) -> str | None:
        """
        The program that was found last.
        """
        return self._path

    def order(self, fd: int) -> Order:
        """
        What to order for the connections of a listening socket.

        @param fd: the socket.

        @raise ProgramMissing: if there is no program now.
        """
        return Order(
            self._path or self._find(),
            self._program.argv,
            self._environment,
            environment.NOTHING,
            (fd, fd, fd),
        )

    def prepare(self) -> None:
        """
        Have the launcher get ready, if it can.
        """
        if IPreparing.providedBy(self.launcher):
            with suppress(program.ProgramMissing):
                self.launcher.prepare(self.order(-1))

    def _launchApart(self, child: Child, order: Order) -> None:
        """
        Start a program whose standard error is not the client's.
        """
        try:
            with self._standardError(child) as fd:
                # Another start would have the socket for everything.
                order = replace(order, fds=(*order.fds[:2], fd), repeats=0)
                self.launcher.launch(child, order)
        except OSError as why:
            child.path = None
            child.failed(f"no descriptor for standard error: {why.strerror}")

    @contextmanager
    def _standardError(self, child: Child) -> Iterator[int]:
        """
        A descriptor that is no client's, for as long as it takes to order.
        """
        if self._service.stderr == "log":
            identity = self._service.context.identity
            uid = -1 if identity is None else identity.uid
            host = self._host
            child.complaints = Complaints(host.reactor, host.complaints, uid)
            yield child.complaints.given
            return
        null = os.open(os.devnull, os.O_RDWR)
        try:
            yield null
        finally:
            os.close(null)

    def _find(self) -> str:
        """
        Look for the program.  It is kept in mind until it could not be started:
        whoever executes it finds out whether it is still there.

        @raise ProgramMissing: if there is none.
        """
        context = self._service.context
        self._path = program.locate(self._program, context.identity, context.chroot)
        return self._path

    def _forget(self) -> None:
        """
        The program could not be started: look for it again the next time.
        """
        self._path = None
