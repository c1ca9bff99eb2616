# -*- test-case-name: inetdtw.log.test.test_report -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The daemon's log: levels, rate limit, addresses of clients, format of values."""

from __future__ import annotations

import time
from typing import Any, Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from inetdtw.log import events, rate
from inetdtw.log.events import Event
from inetdtw.model.address import ADDRESSES
from inetdtw.model.errors import ConfError, ConfWarning
from inetdtw.model.state import ServiceState
from inetdtw.text import printable

#: The seconds in which an event that is for L{Event.once} is not logged again.
QUIET = 10.0
#: Added to the reason of an exit of a process that accepts connections by itself: no
#: other process knows of a connection whose program was not started yet.
JUST_ACCEPTED = "; a connection it was accepting may have been dropped"
#: About how many bytes a line has besides its free text.
_HEAD = 100

_log = Logger(namespace="inetdtw")


def write(event: Event, subject: str = "-", /, **fields: object) -> None:
    """
    Log an event, whatever the log level is.

    @param subject: the service, or another subject of the event.
    @param fields: the values; C{None} is written as a dash.
    """
    values = {
        name: _written(name, value)
        for name, value in fields.items()
        if value is not None
    }
    if event.subject:
        values[event.subject] = _written(event.subject, subject)
    # twistd --syslog knows this name, too.
    values["syslogPriority"] = event.severity
    _log.emit(event.logLevel, event.format(fields), **values)


def logFailure(service: str) -> None:
    """Log the exception that is being handled, with its traceback."""
    _log.failure(events.INTERNAL_ERROR.format({}), service=_written("service", service))


def _written(name: str, value: object) -> object:
    """Return a value on one line, without whitespace unless it is free text."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return text if name in events.FREE_TEXT else text.replace(" ", "\\x20")


class Report:
    """
    The daemon's log: events by level, with a rate limit and client privacy.

    An application passes one to L{inetdtw.InetdService} to select what is logged.
    """

    def __init__(
        self,
        level: str = "notice",
        addresses: str = "full",
        clock: Callable[[], float] = time.monotonic,
        burst: int = rate.BURST,
        reactor: IReactorTime | None = None,
    ) -> None:
        """
        Log nothing yet.

        @param level: one of L{LEVELS<inetdtw.log.events.LEVELS>}.
        @param addresses: one of L{ADDRESSES<inetdtw.model.address.ADDRESSES>}.
        @param clock: returns monotonic seconds.
        @param burst: the lines that a service may log of each rate-limited event in
            L{rate.INTERVAL} seconds; 0 means no limit.
        @param reactor: the reactor, by default the global one.
        """
        self._reactor = reactor
        self._clock = clock
        self._rate = rate.LogRate(burst, clock, self.callLater, self._suppressed)
        self._level = events.LEVELS.index(level)
        self._peer = ADDRESSES[addresses]
        self._last: dict[tuple[object, ...], float] = {}

    def emit(self, event: Event, subject: str = "-", /, **fields: Any) -> bool:
        """
        Log an event, unless the level or a limit leaves it out.

        @param subject: the service, or another subject of the event.
        @param fields: the values; C{None} is written as a dash.  C{peer} is a socket
            address or C{None}.

        @return: false if the rate limit left it out.
        """
        if self._level < event.level:
            return True
        if event.once and self._isRecent(event, subject, fields):
            return True
        if self._level < event.limited:
            size = _HEAD + len(fields.get("text") or fields.get("reason") or "")
            if not self._rate.allows(event.name, subject, size):
                return False
        if "peer" in fields:
            fields["peer"] = self._peer(fields["peer"])
        write(event, subject, **fields)
        return True

    def includes(self, event: Event) -> bool:
        """Tell whether the level includes an event, where its fields cost time."""
        return self._level >= event.level

    def _isRecent(self, event: Event, subject: str, fields: dict[str, Any]) -> bool:
        """Return whether such a line, of any peer, was logged in C{QUIET} seconds."""
        others = (value for name, value in fields.items() if name != "peer")
        key = (event.name, subject, *others)
        now = self._clock()
        if now - self._last.get(key, -QUIET) < QUIET:
            return True
        self._last[key] = now
        return False

    def isLimited(self, event: Event, service: str, lines: int = 0) -> bool:
        """
        Tell whether the rate limit leaves lines out at the moment.

        @param lines: how many the caller left out unread; they are counted.
        """
        if lines:
            self._rate.suppress(event.name, service, lines)
            return True
        return self._rate.exceeded(event.name, service)

    def flush(self) -> None:
        """Log now how many lines the rate limit left out."""
        self._rate.close()

    def callLater(self, seconds: float, *call: Any) -> IDelayedCall:
        """Schedule a call, by default with the global reactor."""
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        return self._reactor.callLater(seconds, *call)

    def _suppressed(self, kind: str, service: str, lines: int) -> None:
        """Log how many lines of an event the rate limit left out."""
        reason = f"rate limit: too many lines in {rate.INTERVAL:g} seconds"
        write(events.SUPPRESS, service, kind=kind, lines=lines, reason=reason)

    def configError(self, error: ConfError) -> None:
        """Log why a part of the configuration is left out."""
        location, field = str(error.location), error.field
        self.emit(events.CONFIG_ERROR, location, field=field, reason=error.reason)

    def configWarning(self, warning: ConfError | ConfWarning) -> None:
        """Log a warning about a part of the configuration."""
        location, field = str(warning.location), warning.field
        self.emit(events.CONFIG_WARNING, location, field=field, reason=warning.reason)

    def state(self, state: ServiceState) -> None:
        """Log the state of a service, because an operator asked."""
        self.emit(
            events.STATE,
            state.name,
            address=state.address,
            started=state.started,
            warm=state.warm,
            refused=state.refused,
            failed=state.failed,
            running=state.running,
            pauses=",".join(each.value for each in state.pauses) or "-",
        )

    def atLimit(self, most: int) -> None:
        """Log that as many programs run as C{--max-children} allows."""
        reason = f"global limit reached: {most} programs (--max-children)"
        self.emit(events.SHORTAGE, reason=reason)

    def lost(self, lines: int) -> None:
        """Log that lines could not be written, because nothing read the log."""
        self.emit(events.LOG_LOST, lines=lines, reason="the log's reader is too slow")
