# -*- test-case-name: inetdtw.cli.test.test_table -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The table of C{inetd status}.

It has a line for the daemon and a line for each service, with its error below.  What an
operator must mend is first.  On a terminal, names and addresses are shortened where the
rows would be wider, and errors are wrapped.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any

from inetdtw.cli.columns import Column, aligned, keepEnd, keepProtocol
from inetdtw.cli.page import RED, YELLOW, Line, Page, clock, wrapped

#: The columns.
COLUMNS = (
    Column("SERVICE", shorten=keepProtocol, least=8),
    Column("ADDRESS", shorten=keepEnd, least=12),
    Column("STATE"),
    Column("NOW/MAX", right=True),
    Column("START", right=True),
    Column("REFUSE", right=True, optional=1),
    Column("FAIL", right=True, optional=2),
    Column("WARM/COLD", right=True, optional=5),
    Column("EXIT", right=True, optional=3),
    Column("CPU", right=True, optional=4),
)
#: The states in yellow, unless a service is in trouble.
_LIMITED = frozenset(("paused", "at limit", "draining"))
_Service = Mapping[str, Any]


def page(
    state: Mapping[str, Any], width: int | None = None, detailed: bool = False
) -> Page:
    """
    Return the table.

    @param state: the reply to C{GET /status}.
    @param width: the width of the terminal in characters, which the lines should fit
        into, or C{None}.
    @param detailed: whether to add the last failure of services that are healthy.
    """
    services = sorted(state["services"], key=lambda each: bool(each["healthy"]))
    heading, *rows = aligned(COLUMNS, [_row(each) for each in services], width)
    body: list[Line] = []
    for service, row in zip(services, rows):
        colour = _colour(service)
        body.append(Line(row, colour))
        for reason in _reasons(service, state["now"], detailed):
            body += wrapped(f"  {service['service']}: {reason}", width, colour)
    errors = list(_daemonErrors(state))
    for error in ["", *errors] if errors else ():
        body += wrapped(error, width, RED)
    head = (*wrapped(_summary(state), width), Line(""), Line(heading))
    return Page(head, tuple(body))


def _colour(service: _Service) -> str:
    if not service["healthy"]:
        return RED
    return YELLOW if service["state"] in _LIMITED else ""


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


def _daemonErrors(state: Mapping[str, Any]) -> Iterator[str]:
    if state["draining"]:
        yield f"draining: exits when no program runs; running: {state['running']}"
    problems = state["problems"]
    if problems:
        yield "errors in the configuration that was read last:"
        yield from problems


def _reasons(service: _Service, now: float, detailed: bool) -> Iterator[str]:
    """Yield what is wrong with a service, and until when."""
    failure, failing = service["last_failure"], "failures" in service["pauses"]
    told = failure is not None and (failing or detailed)
    reason = service["reason"]
    if reason and not (told and reason == failure["reason"]):
        yield reason + _until(service, now)
    if told:
        count, when = failure["in_a_row"], clock(failure["time"], now)
        run = f"{count} failures in a row, last" if count > 1 else "last failure"
        yield f"{run} {when}: {failure['reason']}"


def _until(service: _Service, now: float) -> str:
    if service["until"] is None:
        return ""
    what = "next try" if service["state"] == "bind failed" else "until"
    return f"; {what} {clock(service['until'], now)}"
