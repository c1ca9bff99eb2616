# -*- test-case-name: inetdtw.log.test.test_report -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The lines of the log that are about clients and the programs that serve them; see
L{inetdtw.log.report}.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from twisted.logger import Logger, LogLevel

from inetdtw.interfaces import ExitStatus
from inetdtw.log import rate
from inetdtw.model.address import ADDRESSES
from inetdtw.text import printable

_HOW = {None: "", True: " how={how}", False: " how={how}"}
#: The levels, each of which has all that those before it have.
LEVELS = ("error", "warn", "notice", "info", "debug")
_, WARN, NOTICE, INFO, _ = range(len(LEVELS))
#: About how many bytes a line has besides its last value.
_HEAD = 100


class Lines(Logger):
    """A logger whose lines are lines, whatever is in their values."""

    def emit(
        self, level: LogLevel, format: str | None = None, **kwargs: object
    ) -> None:
        """Write a line."""
        values = {
            name: printable(value) if isinstance(value, str) else value
            for name, value in kwargs.items()
        }
        super().emit(level, format, **values)


class ClientLines:
    """What there is to say of clients."""

    def __init__(
        self,
        level: str = "notice",
        addresses: str = "full",
        clock: Callable[[], float] = time.monotonic,
        burst: int = rate.BURST,
        reactor: Any = None,
    ) -> None:
        """
        @param level: one of L{LEVELS}.
        @param addresses: one of L{ADDRESSES}.
        @param clock: the time in seconds, from any start.
        @param burst: how many lines of a kind a service may have in
            L{lograte.INTERVAL} seconds; 0 is no limit.
        @param reactor: by default the global one.
        """
        self._reactor = reactor
        self._rate = rate.LogRate(burst, clock, self._later, self.suppressed)
        self._level = LEVELS.index(level)
        self._peer = ADDRESSES[addresses]
        # As an attribute of the class it would have the namespace of the class.
        self._log = Lines(namespace="inetdtw")

    def _later(self, seconds: float, *call: Any) -> Any:
        """Call something later."""
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        return self._reactor.callLater(seconds, *call)

    def flush(self) -> None:
        """Say now how much was left out."""
        self._rate.close()

    def suppressed(self, kind: str, service: str, lines: int) -> None:
        """
        Lines were left out, as a service had too many.

        @param kind: what they are, such as C{stderr}.
        """
        self._log.warn(
            "suppress {service} event={what} lines={lines} reason={reason}",
            service=service,
            what=kind,
            lines=lines,
            reason=f"left out, too many in {rate.INTERVAL:g} seconds",
        )

    def _allows(self, kind: str, service: str, text: str = "") -> bool:
        """
        True if a line may be logged.

        @param text: its last value.
        """
        return self._rate.allows(kind, service, _HEAD + len(text))

    def start(
        self, service: str, pid: int, peer: Any, warm: bool | None = None
    ) -> None:
        """
        A program was started.

        @param warm: whether it was forked from an interpreter that was ready, if there
            is one for the service.
        """
        if self._level >= INFO:
            self._log.info(
                "start {service} pid={pid} peer={peer}" + _HOW[warm],
                service=service,
                pid=pid,
                peer=self._peer(peer),
                how="warm" if warm else "cold",
            )

    def end(
        self, service: str, pid: int, peer: Any, how: ExitStatus, seconds: float
    ) -> None:
        """A program has ended."""
        if self._level < (WARN if how.bad else INFO):
            return
        # Whoever wants to know of each start wants to know of each end.
        if self._level < INFO and not self._allows("end", service):
            return
        line = self._log.warn if how.bad else self._log.info
        line(
            "end {service} pid={pid} peer={peer} {how} seconds={seconds} cpu={cpu}",
            service=service,
            pid=pid,
            peer=self._peer(peer),
            how=str(how),
            status=how.status,
            signal=how.signal,
            seconds=f"{seconds:.3f}",
            cpu="-" if how.cpu is None else f"{how.cpu:.3f}",
        )

    def stderr(self, service: str, pid: int, peer: Any, text: str) -> bool:
        """
        A program has written a line to its standard error.

        @return: false if it was left out, as are those that come now.
        """
        if self._level < WARN:
            return True
        if not self._allows("stderr", service, text):
            return False
        self._log.warn(
            "stderr {service} pid={pid} peer={peer} text={text}",
            service=service,
            pid=pid,
            peer=self._peer(peer),
            text=text,
        )
        return True

    def stillTooMuch(self, kind: str, service: str, lines: int = 0) -> bool:
        """
        Count lines that were left out without having been looked at.

        @param kind: what they are, such as C{stderr}.

        @return: whether those that come now are left out, too.
        """
        if lines:
            self._rate.leaveOut(kind, service, lines)
            return True
        return self._rate.exceeded(kind, service)

    def refuse(self, service: str, peer: Any, reason: str) -> None:
        """A client was turned away."""
        if self._level < WARN or not self._allows("refuse", service, reason):
            return
        self._log.warn(
            "refuse {service} peer={peer} reason={reason}",
            service=service,
            peer=self._peer(peer),
            reason=reason,
        )

    def fail(self, service: str, peer: Any, reason: str) -> None:
        """A program could not be started."""
        if not self._allows("fail", service, reason):
            return
        self._log.error(
            "fail {service} peer={peer} reason={reason}",
            service=service,
            peer=self._peer(peer),
            reason=reason,
        )

    def drop(self, service: str, peer: Any, reason: str) -> None:
        """A datagram was thrown away."""
        if self._level < WARN or not self._allows("drop", service, reason):
            return
        self._log.warn(
            "drop {service} peer={peer} reason={reason}",
            service=service,
            peer=self._peer(peer),
            reason=reason,
        )
