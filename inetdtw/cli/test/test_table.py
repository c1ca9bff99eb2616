# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.table}."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import table
from inetdtw.cli.page import RED, YELLOW
from inetdtw.interfaces import ExitStatus
from inetdtw.model.state import Failure, PauseReason, ServiceState
from inetdtw.model.test.test_state import DAEMON, ONE

BUSY = ServiceState(
    *("smtp/tcp", "127.0.0.1:25", "stream nowait", (PauseReason.LIMIT,)),
    running=10,
    most=10,
    started=123_456,
    warm=120_000,
    ready=True,
    refused=12,
    failed=1,
    last=ExitStatus(signal=9),
    cpu=12.345,
)


class LinesTests(SynchronousTestCase):
    """Tests for L{table.lines}."""

    def lines(
        self,
        *services: ServiceState,
        width: int | None = None,
        detailed: bool = False,
        **given: Any,
    ) -> list[str]:
        """Return the lines for these services."""
        state = replace(DAEMON, services=services, **given)
        page = table.page(state.asJSON(), width, detailed)
        return [line.text for line in page.lines]

    def cells(self, service: ServiceState) -> dict[str, str]:
        """Return the row of a service, by column."""
        row = self.lines(service)[3]
        for word in ("at limit", "bind failed"):
            row = row.replace(word, word.replace(" ", "_"))
        return dict(zip((each.name for each in table.COLUMNS), row.split()))

    def test_row(self) -> None:
        """Every value has a column."""
        self.assertEqual(
            self.cells(BUSY),
            {
                "SERVICE": "smtp/tcp",
                "ADDRESS": "127.0.0.1:25",
                "STATE": "at_limit",
                "NOW/MAX": "10/10",
                "START": "123k",
                "REFUSE": "12",
                "FAIL": "1",
                "WARM/COLD": "120k/3456",
                "EXIT": "KILL",
                "CPU": "12.35s",
            },
        )

    def test_nothing(self) -> None:
        """A missing value is a dash, and the wildcard address is a star."""
        cells = self.cells(ONE)
        self.assertEqual(cells["ADDRESS"], "*:7")
        self.assertEqual(cells["NOW/MAX"], "0/-")
        for name in ("WARM/COLD", "EXIT", "CPU"):
            self.assertEqual(cells[name], "-")
        six = self.cells(replace(ONE, address="[::]:7"))
        self.assertEqual(six["ADDRESS"], "*:7")

    def test_exits(self) -> None:
        """An exit is a status or a signal."""
        for how, text in {
            ExitStatus(3): "3",
            ExitStatus(): "?",
            ExitStatus(signal=15): "TERM",
            ExitStatus(signal=63): "#63",
        }.items():
            self.assertEqual(self.cells(replace(ONE, last=how))["EXIT"], text)

    def test_summary(self) -> None:
        """The first line is about the daemon."""
        self.assertEqual(
            self.lines(ONE, BUSY, ONE)[0],
            "inetd 1.0, pid 7, up 1m0s; 2 listening, 1 at limit",
        )
        self.assertIn("no services", self.lines()[0])

    def test_pause(self) -> None:
        """A paused service has the reason and the local time below."""
        until = time.mktime((2026, 1, 2, 13, 14, 15, 0, 0, -1))
        paused = replace(
            ONE, pauses=(PauseReason.RATE,), reason="too many", until=until
        )
        lines = self.lines(paused)
        self.assertIn(" paused  ", lines[3])
        self.assertEqual(lines[-1], "  7/tcp: too many; until 01-02 13:14")
        byHand = self.lines(
            replace(ONE, pauses=(PauseReason.OPERATOR,), reason="by hand")
        )
        self.assertIn(" paused ", byHand[3])
        self.assertEqual(byHand[-1], "  7/tcp: by hand")

    def test_unbound(self) -> None:
        """A service without a socket has a reason and the time of the next try."""
        until = time.mktime((2026, 1, 2, 13, 14, 15, 0, 0, -1))
        unbound = replace(
            ONE, pauses=(PauseReason.UNBOUND,), reason="in use", until=until
        )
        lines = self.lines(unbound, now=until - 9)
        self.assertEqual(lines[-1], "  7/tcp: in use; next try 13:14:15")

    def test_daemon(self) -> None:
        """Errors of the daemon are below the table."""
        lines = self.lines(ONE, draining=True, problems=("inetd.conf:1:1: x",))
        self.assertIn("draining: exits when no program runs; running: 2", lines)
        self.assertEqual(lines[-1], "inetd.conf:1:1: x")
        self.assertEqual(lines[4], "")
        self.assertEqual(len(self.lines(ONE)), 4)

    def test_aligned(self) -> None:
        """Columns are aligned, numbers to the right."""
        lines = self.lines(ONE, BUSY)
        for name in ("ADDRESS", "STATE"):
            at = lines[2].index(name)
            self.assertEqual({line[at - 1] for line in lines[2:]}, {" "})
        end = lines[2].index("START") + len("START")
        self.assertEqual([line[end - 1] for line in lines[2:]], ["T", "0", "k"])

    def test_width(self) -> None:
        """All columns fit into 80 characters: an address keeps its end."""
        until = time.mktime((2026, 1, 2, 13, 14, 15, 0, 0, -1))
        paused = replace(BUSY, pauses=(PauseReason.RATE,), reason="many", until=until)
        for service, address, shown in (
            (paused, "127.0.0.1:25", "127.0.0.1:25"),
            (BUSY, "127.0.0.1:21000", "+.0.0.1:21000"),
            (BUSY, "[2001:db8:85a3::8a2e:370:7334]:25", "+370:7334]:25"),
        ):
            service = replace(service, address=address)
            lines = self.lines(service, ONE, width=80)
            self.assertIn(f" {shown} ", lines[3])
            self.assertTrue(lines[3].endswith(" KILL 12.35s"), lines[3])
            self.assertLessEqual(max(map(len, lines)), 80)

    def test_wide(self) -> None:
        """Nothing is cut if it fits, or if the width is unknown."""
        long = replace(BUSY, address="/run/" + "n" * 60)
        for width in (None, 140):
            self.assertIn(long.address, self.lines(long, width=width)[3])

    def test_narrow(self) -> None:
        """A long name is shortened, and not the addresses of the others."""
        long = replace(BUSY, name="n" * 90 + "/tcp", address="127.0.0.1:65535")
        lines = self.lines(long, ONE, width=80)
        self.assertIn("nnn+/tcp +0.0.1:65535 at limit ", lines[3])
        self.assertLessEqual(max(map(len, lines)), 80)

    def test_columns(self) -> None:
        """Where numbers are wide, columns are left out for names and addresses."""
        wide = replace(
            *(BUSY,), running=10_000, most=10_000, warm=99_999, started=199_998
        )
        wide = replace(
            wide, refused=99_999, failed=99_999, pauses=(PauseReason.UNBOUND,)
        )
        lines = self.lines(wide, width=80)
        self.assertNotIn("WARM/COLD", lines[2])
        self.assertIn("smtp/tcp 127.0.0.1:25 bind failed", lines[3])
        self.assertLessEqual(max(map(len, lines)), 80)

    def test_order(self) -> None:
        """What an operator must mend is first, and then the order of the file."""
        second = replace(ONE, name="8/tcp", pauses=(PauseReason.UNBOUND,), reason="no")
        third = replace(BUSY, name="9/tcp", pauses=(PauseReason.RATE,))
        lines = self.lines(BUSY, ONE, second, third, replace(second, name="10/tcp"))
        names = [line.split()[0] for line in lines[3:]]
        self.assertEqual(
            names,
            ["8/tcp", "8/tcp:", "10/tcp", "10/tcp:", "smtp/tcp", "7/tcp", "9/tcp"],
        )

    def test_wrapped(self) -> None:
        """A reason is never cut."""
        reason = " ".join(map(str, range(60)))
        bad = replace(ONE, pauses=(PauseReason.UNBOUND,), reason=reason)
        lines = self.lines(bad, width=80)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertIn(reason, " ".join(line.strip() for line in lines))
        self.assertEqual(self.lines(bad)[4], f"  7/tcp: {reason}")

    def test_failing(self) -> None:
        """A service whose programs fail has the last failure below."""
        at = time.mktime((2026, 1, 2, 12, 3, 44, 0, 0, -1))
        why = "'/usr/sbin/x': No such file or directory"
        failing = replace(
            *(ONE,),
            pauses=(PauseReason.FAILURES,),
            reason=why,
            failure=Failure(why, at, 12),
        )
        lines = self.lines(failing, now=at + 60)
        last = f"  7/tcp: 12 failures in a row, last 12:03:44: {why}"
        self.assertEqual(lines[4:], [last])
        paused = replace(
            *(failing,),
            pauses=(PauseReason.OPERATOR, PauseReason.FAILURES),
            reason="by hand",
        )
        lines = self.lines(paused, now=at + 60)
        self.assertEqual(lines[4:], ["  7/tcp: by hand", last])

    def test_detailed(self) -> None:
        """A healthy service has its last failure only if it was asked for."""
        at = time.mktime((2026, 1, 2, 12, 3, 44, 0, 0, -1))
        once = replace(ONE, failure=Failure("exit status 3", at, 0))
        self.assertEqual(len(self.lines(once, now=at)), 4)
        lines = self.lines(once, now=at, detailed=True)
        self.assertEqual(lines[4], "  7/tcp: last failure 12:03:44: exit status 3")

    def test_colours(self) -> None:
        """A service in trouble is red, and one that is paused or at a limit yellow."""
        bad = replace(ONE, pauses=(PauseReason.UNBOUND,), reason="in use")
        state = replace(DAEMON, services=(bad, BUSY, ONE), problems=("x",)).asJSON()
        body = table.page(state).body
        colours = [line.colour for line in body]
        self.assertEqual(colours, [RED, RED, YELLOW, "", RED, RED, RED])

    def test_harmless(self) -> None:
        """Control characters in the name of a service are escaped."""
        self.assertNotIn("\x1b", "".join(self.lines(replace(ONE, name="\x1b[2J"))))


class WordsTests(SynchronousTestCase):
    """Tests for numbers and time spans."""

    def test_short(self) -> None:
        """Numbers have at most six characters."""
        for number, text in {
            0: "0",
            99_999: "99999",
            100_000: "100k",
            99_999_999: "99999k",
            10**8: "100M",
            10**12: "1000G",
            10**15: "1000T",
        }.items():
            self.assertEqual(table.short(number), text)

    def test_duration(self) -> None:
        """A time span has its two largest units."""
        for seconds, text in {
            -1: "0s",
            0.9: "0s",
            59: "59s",
            61: "1m1s",
            3600: "1h0m",
            90_000: "1d1h",
        }.items():
            self.assertEqual(table.duration(seconds), text)
