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

from twisted.logger import ILogObserver, Logger, LogPublisher, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import ExitStatus
from inetdtw.log import observers
from inetdtw.log.report import Report
from inetdtw.model.changes import Changes

PEER = ("192.0.2.1", 40000)


class JsonLineTests(SynchronousTestCase):
    """Tests for L{jsonlog.jsonLine}."""

    def parsed(self, write: Callable[[], object]) -> dict[str, Any]:
        """The only line of the log, without the time."""
        with capturedLogs() as events:
            write()
        (event,) = events
        event["log_time"] = 1_000_000_000.25
        line = observers.jsonLine(event)
        self.assertEqual(line.splitlines(), [line])
        found: dict[str, Any] = json.loads(line)
        self.assertEqual(found.pop("time"), "2001-09-09T01:46:40.250+00:00")
        return found

    def test_end(self) -> None:
        """The end of a program has all its values as members, numbers as numbers."""
        how = ExitStatus(status=3, cpu=0.25)
        found = self.parsed(lambda: Report().end("7/tcp", 4, PEER, how, 1.5))
        wanted = {
            "level": "warn",
            "event": "end",
            "service": "7/tcp",
            "pid": 4,
            "peer": "192.0.2.1:40000",
            "status": 3,
            "seconds": 1.5,
            "cpu": 0.25,
            "message": "end 7/tcp pid=4 peer=192.0.2.1:40000 status=3 seconds=1.500 "
            "cpu=0.250",
        }
        self.assertEqual(found, wanted)

    def test_unknown(self) -> None:
        """What is not known has no member."""
        how = ExitStatus(signal=9)
        found = self.parsed(lambda: Report().end("7/tcp", 4, None, how, 1.5))
        self.assertEqual(found["signal"], 9)
        self.assertEqual({"peer", "cpu", "status", "how"} & set(found), set())

    def test_counts(self) -> None:
        """Counts are numbers too."""
        found = self.parsed(lambda: Report().reload(Changes((), (), (), ())))
        self.assertEqual((found["event"], found["kept"]), ("reload", 0))

    def test_what(self) -> None:
        """What has happened to a helper is a member beside the kind of the line."""
        found = self.parsed(lambda: Report().forkserver(1000, 4, 0.5, "x"))
        wanted = ("forkserver", "died", 0.5)
        self.assertEqual((found["event"], found["what"], found["retry"]), wanted)
        self.assertNotIn("service", found)
        found = self.parsed(lambda: Report().cooled("7/tcp", 4, None, "x"))
        self.assertEqual((found["service"], found["retry"]), ("7/tcp", "never"))

    def test_stderr(self) -> None:
        """What a program has said is a member, and so is the line about it."""
        found = self.parsed(lambda: Report().stderr("7/tcp", 4, None, "Oh!"))
        self.assertEqual(found["text"], "Oh!")
        self.assertEqual(found["message"], "stderr 7/tcp pid=4 peer=- text=Oh!")

    def test_others(self) -> None:
        """What others log has its text, and no members that could be taken for ours."""
        log = Logger(namespace="other")
        found = self.parsed(lambda: log.info("end {service}\nx", service=object))
        self.assertEqual(set(found), {"level", "event", "message"})
        self.assertEqual((found["event"], found["level"]), ("log", "info"))
        self.assertTrue(found["message"].startswith("end <class"))

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
        """
        Each event is a line; C{twistd} can be given one that writes to standard
        output.
        """
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
        """Have a system log that can be looked at."""
        self.lines: list[tuple[int, str]] = []

    def send(self, priority: int, line: str) -> None:
        """Be the system log."""
        self.lines.append((priority, line))

    def log(self, observer: Any) -> Logger:
        """A log that an observer sees."""
        verifyObject(ILogObserver, observer)
        return Logger(namespace="test", observer=LogPublisher(observer))

    def test_syslog(self) -> None:
        """Lines go to the system log as a daemon's, with their priorities."""
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

    def test_failure(self) -> None:
        """A traceback is as many lines as it has."""
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
