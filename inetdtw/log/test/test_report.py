# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.log.report}."""

from __future__ import annotations

import re
import signal
from typing import Any, Callable

from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import ExitStatus
from inetdtw.log.clientlines import LEVELS
from inetdtw.log.rate import INTERVAL
from inetdtw.log.report import QUIET, Report
from inetdtw.model.activation import UnusedSocket
from inetdtw.model.changes import Changes
from inetdtw.model.errors import ConfError, ConfWarning, Location
from inetdtw.model.state import PauseReason, ServiceState

PEER = ("192.0.2.1", 40000)
HERE = Location("/etc/inetd.conf", 3, 5)
STATE = ServiceState(
    *("7/tcp", "0.0.0.0:7", "stream nowait", (PauseReason.LIMIT, PauseReason.RATE)),
    running=3,
    started=9,
    warm=4,
    refused=2,
    failed=1,
)
#: One line of each kind: what writes it, and its level and text.
LINES: tuple[tuple[Callable[[Report], object], str, str], ...] = (
    (
        lambda report: report.start("7/tcp", 4, PEER),
        "info",
        "start 7/tcp pid=4 peer=192.0.2.1:40000",
    ),
    (
        lambda report: report.end("7/tcp", 4, PEER, ExitStatus(0, cpu=0.01), 1.5),
        "info",
        "end 7/tcp pid=4 peer=192.0.2.1:40000 status=0 seconds=1.500 cpu=0.010",
    ),
    (
        lambda report: report.end("7/udp", 4, None, ExitStatus(3), 0),
        "warn",
        "end 7/udp pid=4 peer=- status=3 seconds=0.000 cpu=-",
    ),
    (
        lambda report: report.end(
            "7/tcp", 4, PEER, ExitStatus(signal=signal.SIGKILL), 2
        ),
        "warn",
        "end 7/tcp pid=4 peer=192.0.2.1:40000 signal=9 seconds=2.000 cpu=-",
    ),
    (
        lambda report: report.stderr("7/tcp", 4, PEER, "Oh, no!"),
        "warn",
        "stderr 7/tcp pid=4 peer=192.0.2.1:40000 text=Oh, no!",
    ),
    (
        lambda report: report.refuse("7/tcp", PEER, "more than 3 at once"),
        "warn",
        "refuse 7/tcp peer=192.0.2.1:40000 reason=more than 3 at once",
    ),
    (
        lambda report: report.fail("7/tcp", PEER, "'/x': No such file"),
        "error",
        "fail 7/tcp peer=192.0.2.1:40000 reason='/x': No such file",
    ),
    (
        lambda report: report.pause("7/tcp", 60.0, "more than 3 starts", PEER),
        "warn",
        "pause 7/tcp seconds=60 peer=192.0.2.1:40000 reason=more than 3 starts",
    ),
    (
        lambda report: report.pause("7/tcp", 0.1, "none is accepted"),
        "warn",
        "pause 7/tcp seconds=0.1 peer=- reason=none is accepted",
    ),
    (lambda report: report.resume("7/tcp"), "info", "resume 7/tcp peer=-"),
    (
        lambda report: report.drop("7/udp", PEER, "the program did not read it"),
        "warn",
        "drop 7/udp peer=192.0.2.1:40000 reason=the program did not read it",
    ),
    (
        lambda report: report.listening("7/tcp", "[::]:7"),
        "info",
        "listen 7/tcp address=[::]:7",
    ),
    (lambda report: report.changed("7/tcp"), "info", "change 7/tcp"),
    (
        lambda report: report.listening("7/tcp", "[::]:7", inherited=True),
        "info",
        "listen 7/tcp address=[::]:7 source=LISTEN_FDS",
    ),
    (
        lambda report: report.unused(
            UnusedSocket(4, "a\nb", "[::]:7", "it does not listen")
        ),
        "warn",
        "unused - fd=4 name=a\\nb address=[::]:7 reason=it does not listen",
    ),
    (
        lambda report: report.unnotified("/run/a\nb", "No such file"),
        "warn",
        "unnotified - address=/run/a\\nb reason=No such file",
    ),
    (lambda report: report.stopped("7/tcp"), "info", "close 7/tcp"),
    (
        lambda report: report.unbound("7/tcp", "0.0.0.0:7", 0.5, "in use"),
        "error",
        "unbound 7/tcp address=0.0.0.0:7 retry=0.5 reason=in use",
    ),
    (
        lambda report: report.reload(Changes((), (), (), ())),
        "info",
        "reload - peer=- kept=0 changed=0 started=0 stopped=0",
    ),
    (
        lambda report: report.unchanged(2),
        "error",
        "reload - peer=- problems=2 reason=the old configuration stays",
    ),
    (
        lambda report: report.problem(ConfError(HERE, "user", "is empty")),
        "error",
        "conf /etc/inetd.conf:3:5 field=user reason=is empty",
    ),
    (
        lambda report: report.warning(ConfWarning(HERE, "args", "is strange")),
        "warn",
        "warning /etc/inetd.conf:3:5 field=args reason=is strange",
    ),
    (
        lambda report: report.warning(
            ConfWarning(Location("/a b", 1), "args", "is strange")
        ),
        "warn",
        "warning /a\\x20b:1:1 field=args reason=is strange",
    ),
    (
        lambda report: report.state(STATE),
        "info",
        "state 7/tcp address=0.0.0.0:7 started=9 warm=4 refused=2 failed=1 running=3 "
        "held=limit,rate",
    ),
    (
        lambda report: report.state(ServiceState("7/tcp", "0.0.0.0:7", "")),
        "info",
        "state 7/tcp address=0.0.0.0:7 started=0 warm=0 refused=0 failed=0 running=0 "
        "held=-",
    ),
    (
        lambda report: report.pause("7/tcp", None, "an operator wants it"),
        "warn",
        "pause 7/tcp seconds=- peer=- reason=an operator wants it",
    ),
    (
        lambda report: report.draining(3),
        "info",
        "drain - running=3",
    ),
    (
        lambda report: report.controlled("/run/inetd/control"),
        "info",
        "control - address=/run/inetd/control",
    ),
    (
        lambda report: report.uncontrolled("/run/x y\n", "Permission denied"),
        "warn",
        "control - address=/run/x\\x20y\\n reason=Permission denied",
    ),
    (
        lambda report: report.stalled("Too many open files"),
        "error",
        "stall - peer=- reason=Too many open files",
    ),
    (
        lambda report: report.lost(12),
        "error",
        "log - lost=12 reason=there was no room for more lines",
    ),
    (
        lambda report: report.suppressed("stderr", "7/tcp", 12),
        "warn",
        "suppress 7/tcp event=stderr lines=12 reason=left out, too many in 10 seconds",
    ),
    (
        lambda report: report.signalled("SIGUSR1", False),
        "warn",
        "signal - name=SIGUSR1 event=ignored",
    ),
    (
        lambda report: report.signalled("SIGQUIT", True),
        "warn",
        "signal - name=SIGQUIT event=end",
    ),
    (
        lambda report: report.forkserver(1000, None, 1.0, "x y"),
        "warn",
        "forkserver - uid=1000 pid=- event=died retry=1 reason=x y",
    ),
    (
        lambda report: report.warmed("7/tcp", 4),
        "info",
        "warm 7/tcp pid=4 event=ready",
    ),
    (
        lambda report: report.cooled("7/tcp", 4, 0.1, "x y"),
        "warn",
        "warm 7/tcp pid=4 event=died retry=0.1 reason=x y",
    ),
    (
        lambda report: report.cooled("7/tcp", None, None, "x y"),
        "warn",
        "warm 7/tcp pid=- event=died retry=never reason=x y",
    ),
    (
        lambda report: report.warmSaid("7/tcp", 4, "x y"),
        "warn",
        "warm 7/tcp pid=4 event=said text=x y",
    ),
    (
        lambda report: report.nothing("/a b"),
        "error",
        "nothing - reason=nothing to serve in /a b",
    ),
)


class ReportTests(SynchronousTestCase):
    """Tests for L{Report}."""

    def written(
        self,
        write: Callable[[Report], object],
        level: str = "info",
        addresses: str = "full",
    ) -> list[Any]:
        """The events of the log."""
        with capturedLogs() as events:
            write(Report(level, addresses))
        return list(events)

    def test_lines(self) -> None:
        """Each kind of line has its level and its text (item 96)."""
        for write, level, text in LINES:
            (event,) = self.written(write)
            self.assertEqual(formatEvent(event), text)
            self.assertIs(event["log_level"], LogLevel.levelWithName(level), text)
            self.assertEqual(event["log_namespace"], "inetdtw")

    def test_prefixes(self) -> None:
        """
        Of a client's address the log can have the network only, without the port,
        on every line that has one (item 97).
        """
        for write, _, text in LINES:
            (event,) = self.written(write, "info", "prefix")
            wanted = text.replace("192.0.2.1:40000", "192.0.2.0/24")
            self.assertEqual(formatEvent(event), wanted)
            self.assertNotIn("192.0.2.1", str(event))

    def test_noAddresses(self) -> None:
        """The log can do without clients' addresses (item 97)."""
        for write, _, text in LINES:
            (event,) = self.written(write, "info", "none")
            wanted = text.replace("192.0.2.1:40000", "-")
            self.assertEqual(formatEvent(event), wanted)
            self.assertNotIn("192.0.2.", str(event))

    def test_grammar(self) -> None:
        """
        Every line is what happened, to what, and names with values, of which only the
        last may have blanks in it; those of starts, ends and whatever else can have to
        do with a client have one.
        """
        line = re.compile(r"[a-z]+ [^ =]+( [a-z]+=[^ ]+)*( (reason|text)=.*)?")
        clients = {
            *("start", "end", "refuse", "fail", "drop", "stderr"),
            *("pause", "resume", "reload", "stall"),
        }
        for write, _, text in LINES:
            (event,) = self.written(write)
            self.assertTrue(line.fullmatch(formatEvent(event)), text)
            self.assertEqual(" peer=" in text, text.split()[0] in clients, text)

    def test_fields(self) -> None:
        """A machine finds every value in a field of its own (item 96)."""
        for write, _, text in LINES:
            (event,) = self.written(write)
            for name, value in re.findall(r" ([a-z]+)=([^ ]*)", text):
                if value != "-" and name not in ("status", "signal", "event", "how"):
                    self.assertIn(f"{name}={event[name]}", text)

    def test_service(self) -> None:
        """The lines about a service have it in a field (item 96)."""
        for write, _, text in LINES:
            if "7/" in text:
                (event,) = self.written(write)
                self.assertEqual(event["service"], text.split()[1])

    def missing(self, level: str) -> set[str]:
        """The first words of the lines that a level leaves out, but not the one below."""
        below = LEVELS[LEVELS.index(level) + 1]
        return {
            text.split()[0]
            for write, _, text in LINES
            if not self.written(write, level) and self.written(write, below)
        }

    def test_levels(self) -> None:
        """
        Each level leaves out what is less important, and the state that somebody
        asks for is always told.
        """
        self.assertEqual(self.missing("info"), set())
        self.assertEqual(self.missing("notice"), {"start", "end", "control"})
        self.assertEqual(
            self.missing("warn"),
            {"listen", "change", "close", "resume", "reload", "warm", "drain"},
        )
        self.assertEqual(
            self.missing("error"),
            {
                *("end", "refuse", "pause", "drop", "stderr", "warning"),
                *("forkserver", "warm", "control", "unused", "unnotified"),
                "signal",
            },
        )

    def test_refuseMany(self) -> None:
        """
        Of many clients of a service that are refused for one reason the log has one in
        some seconds.
        """
        now = [0.0]
        report = Report(clock=lambda: now[0])
        with capturedLogs() as events:
            for service in ("7/tcp", "7/tcp", "9/tcp"):
                report.refuseMany(service, PEER, "too many")
            self.assertEqual([each["service"] for each in events], ["7/tcp", "9/tcp"])
            now[0] = QUIET
            report.refuseMany("7/tcp", PEER, "too many")
        self.assertEqual(len(events), 3)

    def test_quiet(self) -> None:
        """Starts and good ends are worth no line unless they are asked for (item 96)."""
        quiet = [text for write, _, text in LINES if not self.written(write, "notice")]
        words = [text.split()[0] for text in quiet]
        self.assertEqual(words, ["start", "end", "control"])
        self.assertIn("status=0", quiet[1])
        with capturedLogs() as events:
            Report().start("7/tcp", 4, PEER)
        self.assertEqual(events, [])

    def test_badEnds(self) -> None:
        """A program that ended badly is always worth a line (item 49)."""
        for how in (ExitStatus(1), ExitStatus(signal=15), ExitStatus(255)):
            events = self.written(
                lambda report, how=how: report.end("x", 1, None, how, 0),  # type: ignore[misc] # the default binds it
                "warn",
            )
            self.assertEqual(len(events), 1, how)

    def test_changes(self) -> None:
        """A reload tells how many services it kept, changed, started and stopped."""
        one: Any = object()
        changes = Changes((one,), (one,) * 2, (one,) * 3, (one,) * 4)
        (event,) = self.written(lambda report: report.reload(changes))
        text = "reload - peer=- kept=1 changed=2 started=3 stopped=4"
        self.assertEqual(formatEvent(event), text)

    def test_nothing(self) -> None:
        """If there is nothing to serve, the files that say so are named."""
        (event,) = self.written(lambda report: report.nothing("/etc/inetd.conf"))
        self.assertIn("/etc/inetd.conf", formatEvent(event))
        self.assertIs(event["log_level"], LogLevel.error)

    def test_braces(self) -> None:
        """What comes from outside is not taken for a format."""
        (event,) = self.written(lambda report: report.refuse("{x}", None, "{pid}"))
        self.assertEqual(formatEvent(event), "refuse {x} peer=- reason={pid}")


class RateTests(SynchronousTestCase):
    """Tests for the bound on what clients and programs can have logged."""

    def setUp(self) -> None:
        """Have a log of three lines of a kind."""
        self.clock = Clock()

    def report(self, level: str = "notice") -> Report:
        """Make a log."""
        return Report(level, clock=self.clock.seconds, burst=3, reactor=self.clock)

    def many(self, report: Report, write: Callable[[Report], object]) -> list[str]:
        """
        The lines of something that happens five times, and what is said ten seconds
        later.
        """
        with capturedLogs() as events:
            for _ in range(5):
                write(report)
            self.clock.advance(INTERVAL)
        return [formatEvent(event) or "" for event in events]

    def test_kinds(self) -> None:
        """Each kind of line that others cause is bounded, and what is left out is told."""
        for kind, write in (
            ("stderr", lambda report: report.stderr("7/tcp", 4, PEER, "x")),
            ("warm", lambda report: report.warmSaid("7/tcp", 4, "x")),
            ("refuse", lambda report: report.refuse("7/tcp", PEER, "x")),
            ("fail", lambda report: report.fail("7/tcp", PEER, "x")),
            ("drop", lambda report: report.drop("7/tcp", PEER, "x")),
            ("renew", lambda report: report.renewed("7/tcp", "*:7", "x")),
            ("end", lambda report: report.end("7/tcp", 4, PEER, ExitStatus(1), 0)),
        ):
            *lines, last = self.many(self.report(), write)
            self.assertEqual([each.split()[0] for each in lines], [kind] * 3)
            self.assertRegex(last, rf"^suppress 7/tcp event={kind} lines=2 reason=")

    def test_asked(self) -> None:
        """Starts and ends that are asked for are not."""
        for write in (
            lambda report: report.start("7/tcp", 4, PEER),
            lambda report: report.end("7/tcp", 4, PEER, ExitStatus(1), 0),
        ):
            self.assertEqual(len(self.many(self.report("info"), write)), 5)

    def test_tooMuch(self) -> None:
        """
        Whoever reads what a program writes learns that it is too much, and tells how
        much more there was.
        """
        report = self.report()
        with capturedLogs() as events:
            for wanted in (True, True, True, False):
                self.assertIs(report.stderr("7/tcp", 4, PEER, "x"), wanted)
            self.assertTrue(report.stillTooMuch("stderr", "7/tcp"))
            self.assertTrue(report.stillTooMuch("stderr", "7/tcp", 100))
            report.flush()
            self.assertFalse(report.stillTooMuch("stderr", "7/tcp"))
        self.assertIn("lines=101 ", formatEvent(events[-1]) or "")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_level(self) -> None:
        """What is not logged at all is not counted."""
        report = self.report("error")
        for _ in range(5):
            self.assertTrue(report.stderr("7/tcp", 4, PEER, "x"))
            self.assertTrue(report.warmSaid("7/tcp", 4, "x"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_globalReactor(self) -> None:
        """Without a reactor of its own it takes the global one, once it needs one."""
        from twisted.internet import reactor

        self.patch(reactor, "callLater", self.clock.callLater)
        report = Report(clock=self.clock.seconds, burst=1)
        with capturedLogs() as events:
            for _ in range(2):
                report.refuse("7/tcp", PEER, "x")
            self.clock.advance(INTERVAL)
        self.assertEqual(len(events), 2)
