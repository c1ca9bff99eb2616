# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.log.report} and L{inetdtw.log.events}."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log import events
from inetdtw.log.events import LEVELS, TABLE, Event
from inetdtw.log.rate import INTERVAL
from inetdtw.log.report import QUIET, Report, logFailure
from inetdtw.log.test.lines import LINES, PEER
from inetdtw.model.errors import ConfError, ConfWarning, Location
from inetdtw.model.state import PauseReason, ServiceState

STATE = ServiceState(
    *("7/tcp", "0.0.0.0:7", "stream nowait", (PauseReason.LIMIT, PauseReason.RATE)),
    running=3,
    started=9,
    warm=4,
    refused=2,
    failed=1,
)


def written(
    event: Event,
    subject: str,
    fields: dict[str, Any],
    level: str = "debug",
    addresses: str = "full",
) -> list[Any]:
    """Return what one call of L{Report.emit} logs."""
    with capturedLogs() as found:
        Report(level, addresses).emit(event, subject, **fields)
    return list(found)


class ReportTests(SynchronousTestCase):
    """Tests for L{Report}."""

    def test_lines(self) -> None:
        """An event is logged as a line, with a level and its values (item 96)."""
        for event, subject, fields, text in LINES:
            (found,) = written(event, subject, fields)
            self.assertEqual(formatEvent(found), text)
            self.assertIs(found["log_level"], event.logLevel)
            self.assertEqual(found["log_namespace"], "inetdtw")
            for name, value in fields.items():
                if isinstance(value, (int, float)):
                    self.assertEqual(found[name], value, text)

    def test_complete(self) -> None:
        """Each event of the table has a line in these tests."""
        self.assertEqual(set(TABLE), {line[0] for line in LINES})

    def test_logLevels(self) -> None:
        """Events have the levels of C{twisted.logger}, in which notice is info."""
        for event, level in (
            (events.SHORTAGE, LogLevel.error),
            (events.REFUSE, LogLevel.warn),
            (events.LISTEN, LogLevel.info),
            (events.START, LogLevel.info),
            (events.STATE, LogLevel.info),
        ):
            self.assertIs(event.logLevel, level)

    def test_privacy(self) -> None:
        """The log has a prefix of clients' addresses, or none, when asked (item 97)."""
        for addresses, wanted in (("prefix", "192.0.2.0/24"), ("none", "-")):
            for event, subject, fields, text in LINES:
                (found,) = written(event, subject, fields, addresses=addresses)
                line = text.replace("192.0.2.1:40000", wanted)
                self.assertEqual(formatEvent(found), line)
                self.assertNotIn("192.0.2.1", str(found))

    def test_grammar(self) -> None:
        """A line is event, subject and pairs; only the last value has whitespace."""
        line = re.compile(r"[a-z-]+ [^ =]+( [a-z]+=[^ ]+)*( (reason|text)=.*)?")
        for *_, text in LINES:
            self.assertTrue(line.fullmatch(text), text)

    def test_unknownField(self) -> None:
        """A field that the event does not have is an error."""
        with self.assertRaises(TypeError):
            Report().emit(events.LISTEN, "7/tcp", port=7)

    def test_braces(self) -> None:
        """Braces in values are literal."""
        fields = {"peer": None, "reason": "{pid}"}
        (found,) = written(events.REFUSE, "{x}", fields)
        self.assertEqual(formatEvent(found), "refuse {x} peer=- reason={pid}")

    def test_levels(self) -> None:
        """A level includes exactly its own events and those of lower levels."""
        for number, level in enumerate(LEVELS):
            for event, subject, fields, text in LINES:
                wanted = int(event.level <= number)
                self.assertEqual(
                    len(written(event, subject, fields, level)), wanted, text
                )

    def test_includes(self) -> None:
        """C{includes} returns whether the level includes an event."""
        self.assertFalse(Report().includes(events.START))
        self.assertTrue(Report().includes(events.LISTEN))

    def test_default(self) -> None:
        """Starts and successful exits are not logged unless asked for (item 96)."""
        with capturedLogs() as found:
            Report().emit(events.START, "7/tcp", pid=4, peer=PEER)
            Report().emit(events.EXIT, "7/tcp", pid=4, peer=PEER, status=0)
            self.assertEqual(found, [])
            Report().emit(events.EXIT_FAILURE, "7/tcp", pid=4, peer=PEER, status=1)
        self.assertEqual(len(found), 1)

    def test_once(self) -> None:
        """Refusals of many clients are logged once per service and reason."""
        now = [0.0]
        report = Report(clock=lambda: now[0])
        with capturedLogs() as found:
            for port, service in enumerate(("7/tcp", "7/tcp", "9/tcp")):
                peer = ("192.0.2.1", port)
                report.emit(events.REFUSE_ONCE, service, peer=peer, reason="too many")
            self.assertEqual([each["service"] for each in found], ["7/tcp", "9/tcp"])
            report.emit(events.REFUSE_ONCE, "7/tcp", peer=PEER, reason="another")
            now[0] = QUIET
            report.emit(events.REFUSE_ONCE, "7/tcp", peer=PEER, reason="too many")
        self.assertEqual(len(found), 4)

    def test_config(self) -> None:
        """Errors and warnings of the configuration name location and field."""
        location = Location("/etc/inetd.conf", 3, 5)
        with capturedLogs() as found:
            Report().configError(ConfError(location, "user", "is empty"))
            Report().configWarning(ConfWarning(location, "args", "is strange"))
        wanted = [
            "config-error /etc/inetd.conf:3:5 field=user reason=is empty",
            "config-warning /etc/inetd.conf:3:5 field=args reason=is strange",
        ]
        self.assertEqual(list(map(formatEvent, found)), wanted)

    def test_state(self) -> None:
        """The state of a service has its counters and why it is paused."""
        with capturedLogs() as found:
            Report("error").state(STATE)
            Report("error").state(ServiceState("7/tcp", "0.0.0.0:7", ""))
        wanted = (
            "state 7/tcp address=0.0.0.0:7 started=9 warm=4 refused=2 failed=1 "
            "running=3 pauses=limit,rate"
        )
        self.assertEqual(formatEvent(found[0]), wanted)
        self.assertTrue((formatEvent(found[1]) or "").endswith("running=0 pauses=-"))

    def test_reasons(self) -> None:
        """The global limit and lost lines have reasons of their own."""
        with capturedLogs() as found:
            Report().atLimit(40)
            Report().lost(12)
        wanted = [
            "shortage - reason=global limit reached: 40 programs (--max-children)",
            "log-lost - lines=12 reason=the log's reader is too slow",
        ]
        self.assertEqual(list(map(formatEvent, found)), wanted)

    def test_failure(self) -> None:
        """An exception is logged with its traceback."""
        with capturedLogs() as found:
            try:
                raise ValueError("x")
            except ValueError:
                logFailure("7/tcp")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(formatEvent(found[0]), "internal-error 7/tcp")
        self.assertEqual(found[0]["log_namespace"], "inetdtw")


class RateTests(SynchronousTestCase):
    """Tests for the rate limit of events that clients and programs cause."""

    def setUp(self) -> None:
        """Make a clock."""
        self.clock = Clock()

    def report(self, level: str = "notice") -> Report:
        """Return a log whose rate limit is three lines."""
        return Report(level, clock=self.clock.seconds, burst=3, reactor=self.clock)

    def five(self, level: str, *line: Any) -> list[str]:
        """Log an event five times, and return the lines of ten seconds."""
        event, subject, fields = line
        report = self.report(level)
        with capturedLogs() as found:
            for _ in range(5):
                report.emit(event, subject, **fields)
            self.clock.advance(INTERVAL)
        return [formatEvent(each) or "" for each in found]

    def test_kinds(self) -> None:
        """Events that clients cause are limited, and suppressed lines are counted."""
        limited = set()
        for event, subject, fields, text in LINES:
            if event.once:
                continue
            lines = self.five("notice", event, subject, fields)
            if lines and lines[-1].startswith("suppress 7/") and len(lines) == 4:
                limited.add(event.name)
                wanted = rf"^suppress 7/... kind={event.name} lines=2 reason="
                self.assertRegex(lines[-1], wanted)
            else:
                self.assertIn(len(lines), (0, 5), text)
        wanted_ = {"stderr", "refuse", "start-failed", "drop", "rebind"}
        self.assertEqual(limited, wanted_ | {"exit", "warm-stderr"})

    def test_asked(self) -> None:
        """Starts and exits are not limited when the level includes all of them."""
        for line in LINES:
            if line[0] in (events.START, events.EXIT, events.EXIT_FAILURE):
                self.assertEqual(len(self.five("info", *line[:3])), 5)

    def test_size(self) -> None:
        """The length of the free text counts."""
        fields = {"pid": 4, "peer": PEER, "text": "x" * 300}
        lines = self.five("notice", events.STDERR, "7/tcp", fields)
        self.assertEqual(len(lines), 2)
        self.assertIn("lines=4 ", lines[-1])

    def test_isLimited(self) -> None:
        """C{isLimited} returns whether lines are suppressed, and counts more."""
        report = self.report()
        fields = {"pid": 4, "peer": PEER, "text": "x"}
        with capturedLogs() as found:
            for wanted in (True, True, True, False):
                self.assertIs(report.emit(events.STDERR, "7/tcp", **fields), wanted)
            self.assertTrue(report.isLimited(events.STDERR, "7/tcp"))
            self.assertTrue(report.isLimited(events.STDERR, "7/tcp", 100))
            report.flush()
            self.assertFalse(report.isLimited(events.STDERR, "7/tcp"))
        self.assertIn("lines=101 ", formatEvent(found[-1]) or "")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_level(self) -> None:
        """Events that the level excludes are not counted."""
        report = self.report("error")
        for _ in range(5):
            self.assertTrue(report.emit(events.WARM_STDERR, "7/tcp", pid=4, text="x"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_globalReactor(self) -> None:
        """Without a reactor, the global one is used when it is needed."""
        from twisted.internet import reactor

        self.patch(reactor, "callLater", self.clock.callLater)
        report = Report(clock=self.clock.seconds, burst=1)
        with capturedLogs() as found:
            for _ in range(2):
                report.emit(events.REFUSE, "7/tcp", peer=PEER, reason="x")
            self.clock.advance(INTERVAL)
        self.assertEqual(len(found), 2)
