# -*- test-case-name: inetdtw.cli.test.test_table -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What C{inetd status} prints: a line about the daemon, a line for each service, and one
for each thing that is wrong.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inetdtw.text import printable

#: The columns, and whether numbers are in them.
COLUMNS = {
    "SERVICE": False,
    "ADDRESS": False,
    "STATE": False,
    "NOW/MAX": True,
    "START": True,
    "REFUSE": True,
    "FAIL": True,
    "WARM/COLD": True,
    "EXIT": True,
    "CPU": True,
}
#: The columns that may be cut, and how short they may become.
_CUT, _SHORTEST = (0, 1), 6

_Service = Mapping[str, Any]


def lines(state: Mapping[str, Any], width: int | None = None) -> list[str]:
    """
    How everything is, for a person.

    @param state: what the daemon says.
    @param width: how many characters a line may have; C{None} for any number.
    """
    services = state["services"]
    rows = [tuple(COLUMNS), *(_row(each) for each in services)]
    found = [_summary(state), "", *_fitted(rows, width)]
    trouble = [*_wrong(state), *(_trouble(each) for each in services)]
    told = [line for line in trouble if line]
    if told:
        found += ["", *told]
    return [cut(printable(line), width) for line in found]


def _summary(state: Mapping[str, Any]) -> str:
    """The daemon in a line."""
    counts: dict[str, int] = {}
    for each in state["services"]:
        counts[each["state"]] = counts.get(each["state"], 0) + 1
    several = ", ".join(f"{count} {word}" for word, count in counts.items())
    up = duration(state["now"] - state["since"])
    return (
        f"inetd {state['version']}, pid {state['pid']}, up {up}; "
        f"{several or 'no services'}"
    )


def _row(service: _Service) -> tuple[str, ...]:
    """A service in words."""
    return (
        service["service"],
        _address(service["address"]),
        condition(service),
        _of(service["running"], service["max"]),
        short(service["started"]),
        short(service["refused"]),
        short(service["start_failures"]),
        _warm(service),
        _exit(service["last_exit"]),
        _seconds(service["cpu"]),
    )


def condition(service: _Service) -> str:
    """What a service is, and, when it pauses, until when."""
    said: str = service["state"]
    if said != "paused" or service["until"] is None:
        return said
    when = time.localtime(service["until"])
    return time.strftime("paused until %H:%M:%S", when)


def _address(address: str) -> str:
    """An address; a star stands for all of them."""
    for every in ("0.0.0.0:", "[::]:"):
        if address.startswith(every):
            return "*:" + address[len(every) :]
    return address


def _of(count: int, most: int | None) -> str:
    """How many there are, and may be."""
    return f"{count}/-" if most is None else f"{count}/{most}"


def short(number: int) -> str:
    """A number in at most five characters, unless it is very large."""
    for unit in ("", "k", "M", "G"):
        if number < 100_000:
            return f"{number}{unit}"
        number //= 1000
    return f"{number}T"


def _warm(service: _Service) -> str:
    """Warm and cold starts, where an interpreter is kept; it is said when there is none."""
    if service["ready"] is None and not service["warm"]:
        return "-"
    return f"{short(service['warm'])}/{short(service['cold'])}"


def _exit(last: Mapping[str, Any] | None) -> str:
    """How a program ended: its status, or the name of the signal."""
    if last is None:
        return "-"
    if last["signal"] is None:
        return "?" if last["status"] is None else str(last["status"])
    try:
        return signal.Signals(last["signal"]).name.replace("SIG", "")
    except ValueError:
        return f"#{last['signal']}"


def _seconds(cpu: float | None) -> str:
    """Processor time."""
    if cpu is None:
        return "-"
    return f"{cpu:.2f}s" if cpu < 100 else duration(cpu)


def duration(seconds: float) -> str:
    """A time span in its two largest units."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for name, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= length or parts or name == "s":
            parts.append(f"{left // length}{name}")
            left %= length
    return "".join(parts[:2])


_Rows = Sequence[Sequence[str]]


def _fitted(rows: _Rows, width: int | None) -> Iterator[str]:
    """
    The rows as lines.  Where there is no room for all of them, what says least goes
    first: words, a column without figures, and the ends of names and addresses.
    """
    if width is not None and sum(_widths(rows)) > width:
        rows = [[cell.replace("paused until", "until") for cell in row] for row in rows]
    if width is not None and sum(_widths(rows)) > width:
        rows = _without(rows, "WARM/COLD")
    return _aligned(rows, width)


def _widths(rows: _Rows) -> list[int]:
    """How wide each column must be, with a blank behind it but for the last one."""
    widths = [max(map(len, column)) + 1 for column in zip(*rows)]
    return [*widths[:-1], widths[-1] - 1]


def _without(rows: _Rows, name: str) -> _Rows:
    """Leave out a column, if no service has anything in it."""
    at = rows[0].index(name)
    if any(row[at] != "-" for row in rows[1:]):
        return rows
    return [[*row[:at], *row[at + 1 :]] for row in rows]


def _aligned(rows: _Rows, width: int | None) -> Iterator[str]:
    """The rows as lines, whose columns are as wide as they must be."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    if width is not None:
        _narrow(widths, width - len(widths) + 1)
    numeric = [COLUMNS[name] for name in rows[0]]
    for row in rows:
        cells = (
            cut(cell, size).rjust(size) if right else cut(cell, size).ljust(size)
            for cell, size, right in zip(row, widths, numeric)
        )
        yield " ".join(cells).rstrip()


def _narrow(widths: list[int], room: int) -> None:
    """Make columns narrower until all have room, as far as that goes."""
    while sum(widths) > room:
        widest = max(_CUT, key=lambda index: widths[index])
        if widths[widest] <= _SHORTEST:
            return
        widths[widest] -= 1


def cut(text: str, width: int | None) -> str:
    """A text that is not longer than there is room; a plus sign says that it was."""
    if width is None or len(text) <= width:
        return text
    return text[: max(0, width - 1)] + "+"


def _wrong(state: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the daemon."""
    if state["draining"]:
        running = state["running"]
        yield f"The daemon drains: it ends when {running} programs have ended."
    problems = state["problems"]
    if problems:
        yield "The configuration, when it was read last, had mistakes:"
        yield from problems


def _trouble(service: _Service) -> str:
    """What is wrong with a service."""
    if service["healthy"] or not service["reason"]:
        return ""
    until = service["until"]
    if until is None:
        return f"{service['service']}: {service['reason']}"
    when = time.strftime("%H:%M:%S", time.localtime(until))
    what = "next try" if service["state"] == "bind failed" else "until"
    return f"{service['service']}: {service['reason']}; {what} {when}"
