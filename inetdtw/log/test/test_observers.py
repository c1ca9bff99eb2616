# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.log.observers}."""

from __future__ import annotations

import io
import json
import sys
import syslog
from typing import Any, Callable

from zope.interface.verify import verifyObject

from twisted.logger import (
    ILogObserver,
    LegacyLogObserverWrapper,
    Logger,
    LogPublisher,
    capturedLogs,
    globalLogPublisher,
)
from twisted.python.syslog import SyslogObserver
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log import events, observers
from inetdtw.log.report import Report, write

PEER = ("192.0.2.1", 40000)


class JsonLineTests(SynchronousTestCase):
    """Tests for L{observers.jsonLine}."""

    def parsed(self, write: Callable[[], object]) -> dict[str, Any]:
        """Return the members of the only line of the log, without the time."""
        with capturedLogs() as events:
            write()
        (event,) = events
        event["log_time"] = 1_000_000_000.25
        line = observers.jsonLine(event)
        self.assertEqual(line.splitlines(), [line])
        found: dict[str, Any] = json.loads(line)
        self.assertEqual(found.pop("time"), "2001-09-09T01:46:40.250+00:00")
        return found

    def emitted(self, *event: Any, **fields: object) -> dict[str, Any]:
        """Return the members of an event of the table."""
        return self.parsed(lambda: Report().emit(*event, **fields))

    def test_exit(self) -> None:
        """All values are members, and numbers are numbers."""
        fields = {"status": 3, "seconds": 1.50049, "cpu": 0.25}
        found = self.emitted(events.EXIT_FAILURE, "7/tcp", pid=4, peer=PEER, **fields)
        wanted = {
            "level": "warn",
            "event": "exit",
            "service": "7/tcp",
            "pid": 4,
            "peer": "192.0.2.1:40000",
            "status": 3,
            "seconds": 1.5,
            "cpu": 0.25,
            "message": "exit 7/tcp pid=4 peer=192.0.2.1:40000 status=3 seconds=1.500 "
            "cpu=0.250",
        }
        self.assertEqual(found, wanted)

    def test_unknown(self) -> None:
        """An unknown value has no member."""
        found = self.emitted(
            events.EXIT_FAILURE, "7/tcp", pid=4, peer=None, signal=9, cpu=None
        )
        self.assertEqual(found["signal"], 9)
        self.assertEqual({"peer", "cpu", "status"} & set(found), set())

    def test_noSubject(self) -> None:
        """An event that is not about a service has no such member."""
        found = self.emitted(
            events.FORKSERVER_EXIT, uid=1000, pid=4, retry=0.5, reason="x"
        )
        self.assertEqual((found["event"], found["retry"]), ("forkserver-exit", 0.5))
        self.assertNotIn("service", found)

    def test_others(self) -> None:
        """Other events have a text, and no members of the table."""
        log = Logger(namespace="other")
        found = self.parsed(lambda: log.info("exit {service}\nx", service=object))
        self.assertEqual(set(found), {"level", "event", "message"})
        self.assertEqual((found["event"], found["level"]), ("log", "info"))
        self.assertTrue(found["message"].startswith("exit <class"))

    def test_failure(self) -> None:
        """A traceback is a member of its own."""

        def fail() -> None:
            try:
                raise ValueError("what is wrong")
            except ValueError:
                Logger().failure("while it was done")

        found = self.parsed(fail)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertIn("ValueError: what is wrong", found["failure"])
        self.assertEqual(found["level"], "critical")


class ObserverTests(SynchronousTestCase):
    """Tests for the observers."""

    def test_lines(self) -> None:
        """Each event is a line; C{twistd} can use standard output."""
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        observer = observers.standardOutput()
        verifyObject(ILogObserver, observer)
        log = Logger(namespace="test", observer=LogPublisher(observer))
        log.info("one")
        log.info("two")
        texts = [json.loads(line)["message"] for line in output.getvalue().splitlines()]
        self.assertEqual(texts, ["one", "two"])


class SyslogObserverTests(SynchronousTestCase):
    """Tests for L{observers.syslogObserver}."""

    def setUp(self) -> None:
        """Make a system log."""
        self.lines: list[tuple[int, str]] = []

    def send(self, priority: int, line: str) -> None:
        """Receive a message."""
        self.lines.append((priority, line))

    def log(self, observer: Any) -> Logger:
        """Return a logger with an observer."""
        verifyObject(ILogObserver, observer)
        return Logger(namespace="test", observer=LogPublisher(observer))

    def test_syslog(self) -> None:
        """Lines have the facility C{daemon}, and their priorities."""
        log = self.log(observers.syslogObserver(send=self.send))
        log.debug("a debug")
        log.info("start {service}", service="7/tcp")
        log.warn("a warning")
        log.error("an error")
        log.critical("a crisis")
        self.assertEqual(
            self.lines,
            [
                (syslog.LOG_DEBUG, "a debug"),
                (syslog.LOG_INFO, "start 7/tcp"),
                (syslog.LOG_WARNING, "a warning"),
                (syslog.LOG_ERR, "an error"),
                (syslog.LOG_CRIT, "a crisis"),
            ],
        )

    def test_stderr(self) -> None:
        """What programs write has a severity of its own, with twistd(1) as well."""
        lines: list[tuple[int, str]] = []
        twistd = SyslogObserver("mine")
        self.patch(twistd, "syslog", lambda *line: lines.append(line))
        legacy: Any = twistd.emit
        every = (
            LegacyLogObserverWrapper(legacy),
            observers.syslogObserver(send=self.send),
        )
        for each in every:
            globalLogPublisher.addObserver(each)
            self.addCleanup(globalLogPublisher.removeObserver, each)
        for event in events.TABLE:
            values = dict.fromkeys(event.fields)
            write(event, "7/udp", **values)
        names = [event.name for event in events.TABLE]
        for found in (lines, self.lines):
            self.assertEqual(len(found), len(names))
            programs = {n for n, (p, _) in zip(names, found) if p == syslog.LOG_NOTICE}
            self.assertEqual(programs, {"stderr", "warm-stderr"})
        self.assertEqual([p for p, _ in lines], [p for p, _ in self.lines])
        self.assertIn(syslog.LOG_ERR, [p for p, _ in lines])

    def test_failure(self) -> None:
        """Each line of a traceback is a message."""
        log = self.log(observers.syslogObserver(send=self.send))
        try:
            raise ValueError("what is wrong")
        except ValueError:
            log.failure("while it was done")
        texts = [text for _, text in self.lines]
        self.assertEqual(texts[0], "while it was done")
        self.assertTrue(any("ValueError: what is wrong" in text for text in texts))
        self.assertFalse(any("\n" in text for text in texts))


class ObserverForTests(SynchronousTestCase):
    """Tests for L{observers.observerFor}."""

    def test_stream(self) -> None:
        """Lines go to the stream."""
        output = io.StringIO()
        observer = observers.observerFor("text", "notice", output)
        verifyObject(ILogObserver, observer)
        log = Logger(namespace="test", observer=LogPublisher(observer))
        log.info("start {service}", service="7/tcp")
        self.assertIn("start 7/tcp\n", output.getvalue())
