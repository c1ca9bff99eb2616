# -*- test-case-name: inetdtw.log.test.test_observers -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The log as JSON, one object on each line.

Every object has C{time} (ISO 8601, in UTC), C{level}, C{event} and C{message}, the
line as a person reads it.  For what the superserver itself has to say, C{event} is the
first word of the line, and there is a member for each of its values, those that are
counts or seconds as numbers; where the line has an C{event=} of its own, that is the
member C{what}.  For what others say C{event} is C{log}.

C{inetd --log-format json} writes it.  For C{twistd}, this module has what its option
takes: C{twistd --logger inetdtw.log.observers.standardOutput inetd ...}
"""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timezone
from typing import Any

from twisted.logger import FileLogObserver, formatEvent

_NAMESPACE = "inetdtw"
_FIELD = re.compile(r"{(\w+)}")
#: What is written as text in the lines of the log, and is a number.
_NUMBERS = ("seconds", "cpu", "retry")


def jsonLine(event: dict[str, Any]) -> str:
    """An event of C{twisted.logger} as one line, without an end."""
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
    """The values of a line of the superserver; those that are not known are left out."""
    found = {}
    for name in (*_FIELD.findall(event["log_format"]), "status", "signal"):
        value = event.get(name)
        # "how" is the text of the status or the signal.
        if value is not None and value != "-" and name != "how":
            found[name] = _number(value) if name in _NUMBERS else value
    return found


def _number(text: str) -> Any:
    """A number, or else a word that says why there is none."""
    try:
        return float(text)
    except ValueError:
        return text


def jsonObserver(stream: Any) -> FileLogObserver:
    """Make an observer that writes to a stream."""
    return FileLogObserver(stream, lambda event: f"{jsonLine(event)}\n")


def standardOutput() -> FileLogObserver:
    """Make an observer that writes to standard output."""
    return jsonObserver(sys.stdout)
