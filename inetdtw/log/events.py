# -*- test-case-name: inetdtw.log.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The table of log events: name, level, and fields.

A log line is the name of the event, its subject, and C{name=value} pairs.  The subject
is the service, the location in a configuration file, or a dash.  Only the last value
(C{reason} or C{text}) may have whitespace in it.  A value that is not known is a dash.

docs/guide/logging.rst documents the same table.
"""

from __future__ import annotations

import syslog
from collections.abc import Mapping
from typing import Any

from twisted.logger import LogLevel

#: The values of C{--log-level}; each one includes those in front of it.
LEVELS = ("error", "warn", "notice", "info", "debug")
ERROR, WARN, NOTICE, INFO, DEBUG = range(len(LEVELS))
#: The level of an event that is logged with any C{--log-level}, because an
#: operator requested it.
ALWAYS = -1
#: The severities of syslog(3), where that is not LOG_INFO.
_SEVERITIES = {ERROR: syslog.LOG_ERR, WARN: syslog.LOG_WARNING}
#: That of what programs write.  No line of the daemon has it, so that syslogd(8) can
#: select it, and the usual configurations of syslogd(8) store it.
_OF_PROGRAMS = syslog.LOG_NOTICE
#: The fields that may have whitespace in them; they come last.
FREE_TEXT = ("reason", "text")


class Event:
    """
    A kind of log line.

    @ivar name: its first word.
    @ivar level: the index in L{LEVELS} of the first level that includes it.
    @ivar limited: the rate limit (L{inetdtw.log.rate}) applies if C{--log-level} is
        lower than this.
    @ivar severity: that of syslog(3), by default the one of the level.
    @ivar once: whether lines that differ at most in C{peer} are logged once in
        L{inetdtw.log.report.QUIET} seconds.
    @ivar subject: the name of the field behind the name; empty if it is a dash.
    @ivar fields: the names of all other fields, in order, each with its format.
    """

    def __init__(
        self,
        name: str,
        level: int,
        fields: str,
        limited: int = ALWAYS,
        once: bool = False,
        severity: int | None = None,
    ) -> None:
        """@param fields: the names of the fields, the subject first."""
        self.name = name
        self.level = level
        self.limited = limited
        self.once = once
        usual = _SEVERITIES.get(level, syslog.LOG_INFO)
        self.severity = usual if severity is None else severity
        subject, *others = fields.split()
        self.subject = subject.replace("-", "")
        self.fields = {each.partition(":")[0]: each for each in others}
        self._head = f"{name} {{{subject}}}" if self.subject else f"{name} -"

    @property
    def logLevel(self) -> Any:
        """Return the level for C{twisted.logger}, which has no C{notice}."""
        if self.level == ERROR:
            return LogLevel.error
        return LogLevel.warn if self.level == WARN else LogLevel.info

    def format(self, values: Mapping[str, object]) -> str:
        """
        Return a format of C{twisted.logger} for some of the fields.

        @param values: what is C{None} becomes a dash; what is missing is left out.

        @raise TypeError: if the event does not have a field.
        """
        pairs = [
            f"{name}=-" if values[name] is None else f"{name}={{{column}}}"
            for name, column in self.fields.items()
            if name in values
        ]
        if len(pairs) != len(values):
            unknown = values.keys() - self.fields.keys()
            raise TypeError(f"{self.name} has no field {', '.join(unknown)}")
        return " ".join([self._head, *pairs])


# Clients and the programs that serve them.
START = Event("start", INFO, "service pid peer start")
_EXIT = "service pid peer status signal seconds:.3f cpu:.3f"
EXIT = Event("exit", INFO, _EXIT)
#: With a nonzero status or by a signal.  Not limited at C{info}, where each start has
#: its exit.
EXIT_FAILURE = Event("exit", WARN, _EXIT, limited=INFO)
STDERR = Event(
    *("stderr", WARN, "service pid peer text"),
    limited=DEBUG + 1,
    severity=_OF_PROGRAMS,
)
REFUSE = Event("refuse", WARN, "service peer reason", limited=DEBUG + 1)
#: Refusals of many clients for one reason.
REFUSE_ONCE = Event("refuse", WARN, "service peer reason", DEBUG + 1, once=True)
START_FAILED = Event("start-failed", ERROR, "service peer reason", limited=DEBUG + 1)
DROP = Event("drop", WARN, "service peer reason", limited=DEBUG + 1)
#: Replies that cannot be sent, for one reason.
DROP_ONCE = Event("drop", WARN, "service peer reason", DEBUG + 1, once=True)

# Services and their sockets.
LISTEN = Event("listen", NOTICE, "service address source")
BIND_FAILED = Event("bind-failed", ERROR, "service address retry:g reason")
REBIND = Event("rebind", WARN, "service address reason", limited=DEBUG + 1)
SOCKET_ERROR = Event("socket-error", WARN, "service reason")
CHANGE = Event("change", NOTICE, "service")
CLOSE = Event("close", NOTICE, "service")
PAUSE = Event("pause", WARN, "service seconds:g peer reason")
RESUME = Event("resume", NOTICE, "service")
STATE = Event(
    "state", ALWAYS, "service address started warm refused failed running pauses"
)

# Helper processes.
FORKSERVER_EXIT = Event("forkserver-exit", WARN, "- uid pid retry:g reason")
WARM_READY = Event("warm-ready", NOTICE, "service pid")
WARM_EXIT = Event("warm-exit", WARN, "service pid retry:g reason")
WARM_STDERR = Event(
    *("warm-stderr", WARN, "service pid text"),
    limited=DEBUG + 1,
    severity=_OF_PROGRAMS,
)

# The configuration.
RELOAD = Event("reload", NOTICE, "- kept changed started stopped")
RELOAD_REJECTED = Event("reload-rejected", ERROR, "- problems reason")
CONFIG_ERROR = Event("config-error", ERROR, "location field reason")
CONFIG_WARNING = Event("config-warning", WARN, "location field reason")
NO_SERVICES = Event("no-services", ERROR, "- reason")
UNUSED_SOCKET = Event("unused-socket", WARN, "- fd name address reason")

# The daemon.
SHORTAGE = Event("shortage", ERROR, "- reason", once=True)
CONTROL = Event("control", INFO, "- address")
CONTROL_SECOND = Event("control-second", NOTICE, "- address reason")
CONTROL_FAILED = Event("control-failed", WARN, "- address reason")
NOTIFY_FAILED = Event("notify-failed", WARN, "- address reason")
SIGNAL = Event("signal", WARN, "- name action", once=True)
DRAIN = Event("drain", NOTICE, "- running")
SUPPRESS = Event("suppress", WARN, "service kind lines reason")
LOG_LOST = Event("log-lost", ERROR, "- lines reason")
INTERNAL_ERROR = Event("internal-error", ERROR, "service")

#: All events.
TABLE = tuple(each for each in vars().copy().values() if isinstance(each, Event))
