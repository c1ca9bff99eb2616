# -*- test-case-name: inetdtw.model.test.test_state -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The state of the daemon and its services, for the log, the API and the metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from inetdtw.interfaces import ExitStatus
from inetdtw.model.service import SOCKTYPE_NAMES, Service

LISTENING = "listening"
RUNNING = "running"
PAUSED = "paused"
AT_LIMIT = "at limit"
BUSY = "busy"
CHANGING = "changing"
BIND_FAILED = "bind failed"
FAILING = "failing"
DRAINING = "draining"
STOPPED = "stopped"

#: The conditions in which a service is served as configured.
WORKING = frozenset((LISTENING, RUNNING, AT_LIMIT, BUSY, CHANGING))


class PauseReason(Enum):
    """
    A reason why a service accepts no clients, or is in trouble.

    Of several, the member that is declared first counts.

    The value is the word that C{status --json} and the log have for it.

    @ivar condition: the condition that the service is in, one of L{CONDITIONS}.
    @ivar explanation: the reason in words, where the condition does not say it.
    """

    condition: str
    explanation: str | None

    DRAIN = "drain", DRAINING
    UNBOUND = "unbound", BIND_FAILED
    OPERATOR = "operator", PAUSED, "by an operator"
    RATE = "rate", PAUSED, "rate limit exceeded"
    UNACCEPTED = (
        *("unaccepted", PAUSED),
        "the program seems to exit without accepting connections",
    )
    SHORTAGE = "shortage", PAUSED, "out of file descriptors or memory"
    ERROR = "error", PAUSED, "internal error; see the log"
    SOCKET_ERROR = "socket-error", PAUSED, "the socket is in error, or was shut down"
    REPLACED = "replaced", FAILING
    FAILURES = "failures", FAILING
    LIMIT = "limit", AT_LIMIT
    TOTAL = "total", AT_LIMIT
    DESCRIPTORS = (
        *("descriptors", AT_LIMIT),
        "its clients have their share of the file descriptors",
    )
    CHILD = "child", RUNNING
    CHANGE = "changing", CHANGING
    CAPACITY = "capacity", BUSY
    STARTING = "starting", BUSY
    REFUSING = "refusing", BUSY
    IDLE = "idle", STOPPED

    def __new__(
        cls, word: str, condition: str, explanation: str | None = None
    ) -> PauseReason:
        """Make a member whose value is the word alone."""
        member = object.__new__(cls)
        member._value_ = word
        member.condition, member.explanation = condition, explanation
        return member

    # Enum's own hash is a function of Python; sets of reasons are asked per client.
    __hash__ = object.__hash__


#: The reasons that only an operator can mend, and that no client can bring about.
TROUBLES = frozenset(
    (
        *(PauseReason.UNBOUND, PauseReason.UNACCEPTED, PauseReason.ERROR),
        *(PauseReason.SOCKET_ERROR, PauseReason.REPLACED, PauseReason.FAILURES),
    )
)

#: All conditions that a service can be in.
CONDITIONS = (LISTENING, *dict.fromkeys(each.condition for each in PauseReason))


def conditionOf(pauses: Collection[PauseReason]) -> str:
    """Return the condition of a service that is paused for some reasons."""
    found = (reason.condition for reason in PauseReason if reason in pauses)
    return next(found, LISTENING)


def explanationOf(pauses: Collection[PauseReason]) -> str | None:
    """Return why a service is paused, in words, if that needs an explanation."""
    found = (reason.explanation for reason in PauseReason if reason in pauses)
    return next(filter(None, found), None)


@dataclass(frozen=True)
class Failure:
    """
    A program that could not be started, or has failed.

    @ivar reason: what went wrong, in words.
    @ivar time: when, in seconds since the epoch.
    @ivar inARow: how many programs have failed in a row, up to now.
    """

    reason: str
    time: float
    inARow: int

    def asJSON(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "reason": self.reason,
            "time": round(self.time, 3),
            "in_a_row": self.inARow,
        }


@dataclass(frozen=True)
class ServiceState:
    """
    The state of one service.

    @ivar name: its name in the log.
    @ivar address: where it listens.
    @ivar kind: C{stream nowait} and so on.
    @ivar pauses: the reasons why it accepts no clients or is in trouble.
    @ivar reason: why it is in trouble, in words, if it is.
    @ivar until: when it resumes, or is bound again, in seconds since the epoch, if that
        is known.
    @ivar running: the number of running programs.
    @ivar most: how many may run at once; C{None} if there is no limit.
    @ivar started: how many were started; of an internal service, how many clients were
        served.
    @ivar warm: how many of these were warm starts.
    @ivar ready: whether a warm process is ready; C{None} if it is not warm.
    @ivar refused: the number of refused clients.
    @ivar failed: how many programs could not be started.
    @ivar dropped: the number of dropped datagrams.
    @ivar ended: how many programs exited.
    @ivar exitFailures: how many of these exited with a nonzero status or by a signal.
    @ivar last: how the last one exited.
    @ivar failure: the last failure of a program; C{None} if there was none.
    @ivar cpu: the processor time of those that exited, in seconds, if that is known.
    """

    name: str
    address: str
    kind: str
    pauses: tuple[PauseReason, ...] = ()
    reason: str | None = None
    until: float | None = None
    running: int = 0
    most: int | None = None
    started: int = 0
    warm: int = 0
    ready: bool | None = None
    refused: int = 0
    failed: int = 0
    dropped: int = 0
    ended: int = 0
    exitFailures: int = 0
    last: ExitStatus | None = None
    failure: Failure | None = None
    cpu: float | None = None

    @property
    def condition(self) -> str:
        """One of L{CONDITIONS}."""
        return conditionOf(self.pauses)

    @property
    def working(self) -> bool:
        """Whether its condition is one of L{WORKING}."""
        return self.condition in WORKING

    @property
    def healthy(self) -> bool:
        """Whether it has none of the L{TROUBLES}."""
        return TROUBLES.isdisjoint(self.pauses)

    def asJSON(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        last = self.last and {"status": self.last.status, "signal": self.last.signal}
        return {
            "service": self.name,
            "address": self.address,
            "kind": self.kind,
            "state": self.condition,
            "healthy": self.healthy,
            "pauses": [reason.value for reason in self.pauses],
            "reason": self.reason,
            "until": self.until,
            "running": self.running,
            "max": self.most,
            "started": self.started,
            "warm": self.warm,
            "cold": self.started - self.warm,
            "ready": self.ready,
            "refused": self.refused,
            "start_failures": self.failed,
            "dropped": self.dropped,
            "exited": self.ended,
            "exit_failures": self.exitFailures,
            "last_exit": last,
            "last_failure": self.failure and self.failure.asJSON(),
            "cpu": None if self.cpu is None else round(self.cpu, 6),
        }


def kindOf(service: Service) -> str:
    """Return the kind of a service, in the words of inetd.conf(5)."""
    words = [SOCKTYPE_NAMES[service.socktype]]
    words.append("wait" if service.wait else "nowait")
    if service.internal is not None:
        words.append("internal")
    return " ".join(words)


@dataclass(frozen=True)
class DaemonState:
    """
    The state of the daemon.

    @ivar version: the version of this package.
    @ivar pid: its process id.
    @ivar since: when it was started, in seconds since the epoch.
    @ivar now: when it was in this state.
    @ivar draining: whether it exits when no program runs.
    @ivar running: the number of running programs, including those of removed services.
    @ivar files: the paths of the configuration.
    @ivar problems: why lines of the configuration that was read last are left out.
    @ivar services: all services, in the order of the configuration.
    @ivar descriptors: the use of file descriptors, by purpose.
    """

    version: str
    pid: int
    since: float
    now: float
    draining: bool
    running: int
    files: tuple[str, ...]
    problems: tuple[str, ...]
    services: tuple[ServiceState, ...]
    descriptors: Mapping[str, Use] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether an operator has nothing to mend, in the services or the files."""
        return not self.problems and all(each.healthy for each in self.services)

    def asJSON(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "version": self.version,
            "pid": self.pid,
            "since": round(self.since, 3),
            "now": round(self.now, 3),
            "healthy": self.healthy,
            "draining": self.draining,
            "running": self.running,
            "files": list(self.files),
            "problems": list(self.problems),
            "descriptors": {
                name: {"open": use.open, "share": use.share}
                for name, use in self.descriptors.items()
            },
            "services": [each.asJSON() for each in self.services],
        }


@dataclass(frozen=True)
class Use:
    """
    The use of file descriptors for a purpose.

    @ivar open: how many are open.
    @ivar share: how many may be; C{None} if it has no share.
    """

    open: int
    share: int | None


#: The message of L{Draining}.
REFUSED = "the daemon is draining: it exits when no program runs"


class Draining(Exception):
    """The daemon accepts no more clients, and cannot be changed."""

    def __init__(self) -> None:
        """Make it with its message."""
        super().__init__(REFUSED)
