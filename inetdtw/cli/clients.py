# -*- test-case-name: inetdtw.cli.test.test_clients -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{inetd clients}: print who is served now."""

from __future__ import annotations

import json
import pwd
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from inetdtw.cli.columns import Column, aligned, keepProtocol, keepStart
from inetdtw.cli.command import OK, Command, Rejected
from inetdtw.cli.output import out
from inetdtw.cli.page import clock

#: The columns.
COLUMNS = (
    Column("SERVICE", shorten=keepProtocol, least=12),
    Column("PID", right=True),
    Column("PEER", shorten=keepStart, least=20),
    Column("USER", shorten=keepStart, least=8),
    Column("SINCE"),
    Column("HOW"),
)


class Clients(Command):
    """C{inetd clients}."""

    synopsis = "Usage: inetd clients [options] [SERVICE]"
    longdesc = (
        "Print the clients that are served now, of all services or of one, the oldest "
        "first: the program's process id and user, the client's address, since when, "
        "and how the program was started. SERVICE is as for 'inetd status'."
    )
    optFlags = [["json", "j", "Print JSON."]]

    def parseArgs(self, service: str | None = None) -> None:
        """Set the service."""
        self["service"] = service

    def run(self) -> int:
        """Print the clients."""
        service = self["service"]
        arguments = {} if service is None else {"service": service}
        reply = self.client.ask("GET", "/clients", **arguments)
        if "error" in reply:
            raise Rejected(reply["error"])
        if self["json"]:
            out(json.dumps(reply, indent=2))
            return OK
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in lines(reply, width):
            out(line)
        return OK


def lines(reply: Mapping[str, Any], width: int | None = None) -> Iterator[str]:
    """
    Yield the lines of the table.

    @param reply: the reply to C{GET /clients}.
    @param width: the width of the terminal in characters, or C{None}.
    """
    clients, own = reply["clients"], _userName(reply["uid"])
    rows = [_row(each, own, reply["now"]) for each in clients]
    yield from aligned(COLUMNS, rows, width)
    more = reply["total"] - len(clients)
    if more:
        yield f"and {more} more, which are newer"


def _row(client: Mapping[str, Any], own: str, now: float) -> tuple[str, ...]:
    return (
        client["service"],
        "-" if client["pid"] is None else str(client["pid"]),
        client["peer"] or "-",
        client["user"] or own,
        clock(client["since"], now),
        client["how"],
    )


def _userName(uid: int) -> str:
    """Return the name of a user, or the number if it has none."""
    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return str(uid)
