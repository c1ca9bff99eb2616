# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.table}."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import table
from inetdtw.interfaces import ExitStatus
from inetdtw.model.state import PauseReason, ServiceState
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
        self, *services: ServiceState, width: int | None = None, **given: Any
    ) -> list[str]:
        """Return the lines for these services."""
        state = replace(DAEMON, services=services, **given)
        return table.lines(state.asJSON(), width)

    def cells(self, service: ServiceState) -> dict[str, str]:
        """Return the row of a service, by column."""
        row = self.lines(service)[3]
        for word in ("at limit", "bind failed"):
            row = row.replace(word, word.replace(" ", "_"))
        return dict(zip(table.COLUMNS, row.split()))

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
        """A paused service has a line with the reason and the local time below."""
        until = time.mktime((2026, 1, 2, 13, 14, 15, 0, 0, -1))
        paused = replace(
            ONE, pauses=(PauseReason.RATE,), reason="too many", until=until
        )
        lines = self.lines(paused)
        self.assertIn(" paused  ", lines[3])
        self.assertEqual(lines[-1], "7/tcp: too many; until 13:14:15")
        byHand = self.lines(
            replace(ONE, pauses=(PauseReason.OPERATOR,), reason="by hand")
        )
        self.assertIn(" paused ", byHand[3])
        self.assertEqual(byHand[-1], "7/tcp: by hand")

    def test_unbound(self) -> None:
        """A service without a socket has a reason and the time of the next try."""
        until = time.mktime((2026, 1, 2, 13, 14, 15, 0, 0, -1))
        unbound = replace(
            ONE, pauses=(PauseReason.UNBOUND,), reason="in use", until=until
        )
        lines = self.lines(ONE, unbound)
        self.assertEqual(lines[-1], "7/tcp: in use; next try 13:14:15")

    def test_daemon(self) -> None:
        """Errors of the daemon are below the table."""
        lines = self.lines(ONE, draining=True, problems=("inetd.conf:1:1: x",))
        self.assertIn("draining: exits when no program runs; running: 2", lines)
        self.assertEqual(lines[-1], "inetd.conf:1:1: x")
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
        """An address has as many characters as its heading, however long the name."""
        long = replace(BUSY, name="n" * 90)
        self.assertIn("n +0.1:25 at limit ", self.lines(long, width=80)[3])

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
