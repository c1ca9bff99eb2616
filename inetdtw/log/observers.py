# -*- test-case-name: inetdtw.log.test.test_observers -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Log observers: text or JSON, to a stream or to the system log.

In JSON each line is an object.  It has C{time} (ISO 8601, in UTC), C{level}, C{event}
and C{message}, the text line.  For the events of L{inetdtw.log.events}, C{event} is the
name, and each known value is a member: counts and seconds are numbers.  All other
messages have the C{event} C{log}.

C{inetd --log-format json} writes it; so does
C{twistd --logger inetdtw.log.observers.standardOutput inetd ...}
"""

from __future__ import annotations

import json
import re
import sys
import syslog
from datetime import datetime, timezone
from typing import Any, Callable, TextIO

from zope.interface import provider

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    formatEvent,
    textFileLogObserver,
)

from inetdtw.log.systemlog import systemLogger

#: The formats of the log.
FORMATS = ("text", "json")

#: The priorities of syslog(3), by Twisted's levels.
_PRIORITIES = {
    "debug": syslog.LOG_DEBUG,
    "info": syslog.LOG_INFO,
    "warn": syslog.LOG_WARNING,
    "error": syslog.LOG_ERR,
    "critical": syslog.LOG_CRIT,
}
_NAMESPACE = "inetdtw"
_FIELD = re.compile(r"{(\w+)")


def jsonLine(event: dict[str, Any]) -> str:
    """Return an event of C{twisted.logger} as a JSON object, without a newline."""
    when = datetime.fromtimestamp(event["log_time"], timezone.utc)
    found = {
        "time": when.isoformat(timespec="milliseconds"),
        "level": event["log_level"].name,
        "event": "log",
        "message": formatEvent(event),
    }
    if event.get("log_namespace") == _NAMESPACE:
        found["event"] = event["log_format"].split(" ", 1)[0]
        found.update(_values(event))
    if event.get("log_failure") is not None:
        found["failure"] = event["log_failure"].getTraceback()
    return json.dumps(found, default=str)


def _values(event: dict[str, Any]) -> dict[str, Any]:
    """Return the known values of an event of L{inetdtw.log.events}."""
    known = {name: event[name] for name in _FIELD.findall(event["log_format"])}
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in known.items()
        if value != "-"
    }


def jsonObserver(stream: TextIO) -> FileLogObserver:
    """Make an observer that writes to a stream."""
    return FileLogObserver(stream, lambda event: f"{jsonLine(event)}\n")


def standardOutput() -> FileLogObserver:
    """Make an observer that writes to standard output."""
    return jsonObserver(sys.stdout)


def textLine(event: dict[str, Any]) -> str:
    """Return an event as text: one line, and the traceback of a failure."""
    failure = event.get("log_failure")
    trace = "" if failure is None else "\n" + failure.getTraceback()
    return formatEvent(event) + trace


def syslogObserver(
    format: Callable[[dict[str, Any]], str] = textLine,
    send: Callable[[int, str], None] | None = None,
) -> ILogObserver:
    """
    Return an observer that writes to the system log with the facility C{daemon}.

    @param format: returns the text of an event, of which each line is a message.
    @param send: sends a message with its priority; by default, to syslogd(8).
    """
    send = systemLogger() if send is None else send

    @provider(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        usual = _PRIORITIES[event["log_level"].name]
        priority = event.get("syslogPriority", usual)
        for line in format(event).splitlines():
            send(priority, line)

    observer: ILogObserver = observe
    return observer


def observerFor(format: str, level: str, stream: TextIO | None) -> ILogObserver:
    """
    Return an observer that filters events of other namespaces by level.

    Those of the superserver were filtered by its L{Report<inetdtw.log.report.Report>}.

    @param format: one of L{FORMATS}.
    @param level: a log level of the superserver.
    @param stream: C{None} for the system log.
    """
    inJSON = format == "json"
    if stream is None:
        observer = syslogObserver(jsonLine if inJSON else textLine)
    else:
        observer = jsonObserver(stream) if inJSON else textFileLogObserver(stream)
    others = LogLevel.levelWithName("info" if level == "notice" else level)
    predicate = LogLevelFilterPredicate(others)
    predicate.setLogLevelForNamespace(_NAMESPACE, LogLevel.debug)
    return FilteringLogObserver(observer, [predicate])
