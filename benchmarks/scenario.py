# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""One scenario: the contenders, their services, and the task of the clients."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import compiled
from benchmarks.daemon import Daemon
from benchmarks.figures import Sample
from benchmarks.load import Task
from benchmarks.ours import OURS
from benchmarks.packages import Missing
from benchmarks.peers import PEERS
from benchmarks.service import OTHER_USER, Ports, Service, ownUser

CAT = "/bin/cat"

#: Debian's own interpreter.
PYTHON = "/usr/bin/python3"

STREAMS = Task("streams", 0)


@dataclass(frozen=True)
class Kit:
    """
    The programs and ports of services.

    @ivar cache: where compiled programs are kept.
    @ivar python: the interpreter that runs the services written in Python.
    """

    cache: Path
    python: str


Program = Callable[[Kit], tuple[str, ...]]


def cat(kit: Kit) -> tuple[str, ...]:
    """Return a service with a minimal program."""
    return (CAT,)


def internal(kit: Kit) -> tuple[str, ...]:
    """Return an internal service."""
    return ()


def oneDatagram(kit: Kit) -> tuple[str, ...]:
    """Return a service with a small program that answers one datagram."""
    return compiled.oneDatagram(kit.cache)


def script(name: str) -> Program:
    """Return a service with one of the scripts, run by the interpreter."""

    def program(kit: Kit) -> tuple[str, ...]:
        return kit.python, str(compiled.PROGRAMS / name)

    return program


def debian(name: str) -> Program:
    """Return a service with one of the scripts, run by Debian's interpreter."""

    def program(kit: Kit) -> tuple[str, ...]:
        if not os.access(PYTHON, os.X_OK):
            raise Missing(f"missing: no {PYTHON}")
        return PYTHON, str(compiled.PROGRAMS / name)

    return program


@dataclass(frozen=True)
class Contender:
    """
    A superserver with one of its configurations for the job.

    @ivar name: what it is called in the tables.
    @ivar server: the superserver's name.
    @ivar keys: the keys of inetdtw's configuration.
    @ivar others: how many further services it has.
    @ivar idle: how many children sit there meanwhile.
    @ivar alike: whether the further services are like the measured one, each with an
        argument of its own, because equal ones share a warm process.
    @ivar program: what serves, if not the program of the scenario.
    @ivar reply: what that does to the text, if not what the task says.
    """

    name: str
    server: str
    keys: Mapping[str, str] = field(default_factory=dict)
    others: int = 0
    idle: int = 0
    alike: bool = False
    program: Program | None = None
    reply: str = ""


def peers(*, others: int = 0, label: str = "") -> tuple[Contender, ...]:
    """Return all peers as contenders."""
    return tuple(
        Contender(peer.name + label, peer.name, others=others) for peer in PEERS
    )


def ours(label: str = "", *, others: int = 0, idle: int = 0, **keys: str) -> Contender:
    """
    Return inetdtw as a contender.

    @param label: what is added to its name.
    """
    name = f"{OURS}, {label}" if label else OURS
    return Contender(name, OURS, keys, others, idle)


@dataclass(frozen=True)
class Bench:
    """
    One run: a superserver, its services, and the task of the load generator.

    @ivar services: the measured one first.
    @ivar task: what the load generator does.
    @ivar factor: what one exchange counts in the rate.
    """

    daemon: Daemon
    services: Sequence[Service]
    task: Task
    contender: Contender
    factor: float


@dataclass(frozen=True)
class Scenario:
    """
    The same job for several contenders.

    @ivar name: what its goals refer to.
    @ivar text: what the job is.
    @ivar contenders: who does it.
    @ivar drive: what measures one run.
    @ivar program: what serves.
    @ivar task: what the clients do; its port is filled in.
    @ivar otherUser: whether the program runs as another user than the daemon.
    @ivar port: the port, if it cannot be any.
    @ivar unit: what is counted per second, and how much of it one exchange is.
    """

    name: str
    text: str
    contenders: tuple[Contender, ...]
    drive: Callable[[Bench], Sample]
    program: Program = cat
    task: Task = STREAMS
    otherUser: bool = False
    port: int = 0
    internal: str = ""
    wait: bool = False
    unit: str = "connections"
    factor: float = 1.0

    def services(self, contender: Contender, kit: Kit, ports: Ports) -> list[Service]:
        """Return the services of one contender."""
        numbers = list(ports.take(1 + contender.others))
        program = contender.program or self.program
        measured = Service(
            port=self.port or numbers[0],
            program=program(kit),
            user=OTHER_USER if self.otherUser else ownUser(),
            socktype="dgram" if self.task.kind == "datagrams" else "stream",
            wait=self.wait,
            internal=self.internal,
            keys=tuple(contender.keys.items()),
        )
        if contender.alike:
            others = [_another(measured, port) for port in numbers[1:]]
        else:
            others = [Service(port, cat(kit), ownUser()) for port in numbers[1:]]
        return [measured, *others]

    def bench(self, daemon: Daemon, contender: Contender, seconds: float) -> Bench:
        """Return a run."""
        port = daemon.services[0].port
        reply = contender.reply or self.task.reply
        task = replace(self.task, port=port, seconds=seconds, reply=reply)
        return Bench(daemon, daemon.services, task, contender, self.factor)


def _another(service: Service, port: int) -> Service:
    """Return such a service on another port, with the port as a further argument."""
    return replace(service, port=port, program=(*service.program, str(port)))
