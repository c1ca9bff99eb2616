# -*- test-case-name: inetdtw.cli.test.test_table -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The table of C{inetd status}.

It has a line for the daemon, a line for each service, and a line for each error.
Addresses are shortened where the rows would be wider than the terminal.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inetdtw.text import printable

#: The columns, and whether they have numbers.
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
_ADDRESS = list(COLUMNS).index("ADDRESS")
_Service = Mapping[str, Any]


def lines(state: Mapping[str, Any], width: int | None = None) -> list[str]:
    """
    Return the lines of the table.

    @param state: the reply to C{GET /status}.
    @param width: the width of the terminal in characters, which the rows should fit
        into, or C{None}.
    """
    services = state["services"]
    rows = [tuple(COLUMNS), *(_row(each) for each in services)]
    found = [_summary(state), "", *_aligned(rows, width)]
    trouble = [*_daemonErrors(state), *(_serviceError(each) for each in services)]
    errors = [line for line in trouble if line]
    if errors:
        found += ["", *errors]
    return [printable(line) for line in found]


def _summary(state: Mapping[str, Any]) -> str:
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
    return (
        service["service"],
        _address(service["address"]),
        service["state"],
        _of(service["running"], service["max"]),
        short(service["started"]),
        short(service["refused"]),
        short(service["start_failures"]),
        _warm(service),
        _exit(service["last_exit"]),
        _seconds(service["cpu"]),
    )


def _address(address: str) -> str:
    """Return an address, with a star for all of them."""
    for every in ("0.0.0.0:", "[::]:"):
        if address.startswith(every):
            return "*:" + address[len(every) :]
    return address


def _of(count: int, most: int | None) -> str:
    return f"{count}/-" if most is None else f"{count}/{most}"


def short(number: int) -> str:
    """Return a number in at most six characters, unless it is very large."""
    for unit in ("", "k", "M", "G"):
        if number < 100_000:
            return f"{number}{unit}"
        number //= 1000
    return f"{number}T"


def _warm(service: _Service) -> str:
    """Return the warm and cold starts, if the service is or was warm."""
    if service["ready"] is None and not service["warm"]:
        return "-"
    return f"{short(service['warm'])}/{short(service['cold'])}"


def _exit(last: Mapping[str, Any] | None) -> str:
    """Return the exit status or the name of the signal."""
    if last is None:
        return "-"
    if last["signal"] is None:
        return "?" if last["status"] is None else str(last["status"])
    try:
        return signal.Signals(last["signal"]).name.replace("SIG", "")
    except ValueError:
        return f"#{last['signal']}"


def _seconds(cpu: float | None) -> str:
    if cpu is None:
        return "-"
    return f"{cpu:.2f}s" if cpu < 100 else duration(cpu)


def duration(seconds: float) -> str:
    """Return a time span in its two largest units."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for name, length in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= length or parts or name == "s":
            parts.append(f"{left // length}{name}")
            left %= length
    return "".join(parts[:2])


def _aligned(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """Yield rows as lines; numbers are aligned right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    if width is not None:
        spare = width - sum(widths) - len(widths) + 1
        widths[_ADDRESS] = max(len("ADDRESS"), widths[_ADDRESS] + min(0, spare))
    for row in rows:
        cells = (
            cell.rjust(size) if numeric else _shortened(cell, size).ljust(size)
            for cell, size, numeric in zip(row, widths, COLUMNS.values())
        )
        yield " ".join(cells).rstrip()


def _shortened(text: str, size: int) -> str:
    """Return the end of a text, where the port is; a plus sign marks what is cut."""
    return text if len(text) <= size else f"+{text[1 - size :]}"


def _daemonErrors(state: Mapping[str, Any]) -> Iterator[str]:
    if state["draining"]:
        yield f"draining: exits when no program runs; running: {state['running']}"
    problems = state["problems"]
    if problems:
        yield "errors in the configuration that was read last:"
        yield from problems


def _serviceError(service: _Service) -> str:
    if not service["reason"]:
        return ""
    until = service["until"]
    if until is None:
        return f"{service['service']}: {service['reason']}"
    when = time.strftime("%H:%M:%S", time.localtime(until))
    what = "next try" if service["state"] == "bind failed" else "until"
    return f"{service['service']}: {service['reason']}; {what} {when}"
