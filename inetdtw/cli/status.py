# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{inetd status} and C{inetd health}: print the state of the services."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.python import usage

from inetdtw.cli import screen, table
from inetdtw.cli.command import FAILED, OK, Command, Rejected, seconds
from inetdtw.cli.output import out, write
from inetdtw.cli.page import Page, drawn, hasColours, wrapped
from inetdtw.control.client import Client, NoDaemon
from inetdtw.model.selection import listed, namesOf, select
from inetdtw.text import printable

#: The type of C{--interval}.
_SECONDS = seconds("interval", 0.1, 86400)


class Status(Command):
    """C{inetd status}."""

    synopsis = "Usage: inetd status [options] [SERVICE]"
    longdesc = (
        "Print the state of the daemon and its services. SERVICE is a name as in the "
        "file, with or without /PROTOCOL, or an address."
    )
    optFlags = [
        ["json", "j", "Print everything, as JSON."],
        ["names", None, "Print only the names of the services, each on a line."],
        ["watch", "w", "Update in place, until q or Ctrl-C; arrows scroll."],
        [
            "quiet",
            "q",
            "Print nothing; the exit status is the result.",
        ],
    ]
    optParameters: list[list[Any]] = [
        ["interval", "n", 1.0, "The interval of --watch, in seconds.", _SECONDS],
    ]

    def parseArgs(self, service: str | None = None) -> None:
        """Set the service."""
        self["service"] = service

    def postOptions(self) -> None:
        """Check the options."""
        if self["watch"] and (self["quiet"] or self["json"]):
            raise usage.UsageError("--watch cannot be combined with --json or --quiet")
        if self["quiet"] and self["json"]:
            raise usage.UsageError("--quiet cannot be combined with --json")
        if self["names"] and (self["watch"] or self["quiet"] or self["json"]):
            raise usage.UsageError("--names cannot be combined with another output")

    def run(self) -> int:
        """Print the state, once or again and again."""
        client = self.client
        if self["watch"]:
            screen.watch(
                lambda width: self._drawn(client, width),
                self["interval"],
                sys.stdout,
            )
            return OK
        state = self._state(client)
        self._print(state)
        return OK if state["healthy"] else FAILED

    def _state(self, client: Client) -> dict[str, Any]:
        """
        Return the state of the daemon, with all services or the one that is asked for.

        @raise Rejected: if there is no such service.
        """
        state = dict(client.ask("GET", "/status"))
        if self["service"] is not None:
            word, all_ = self["service"], state["services"]
            found = select(word, [(_namesOf(each), each) for each in all_])
            if not found:
                names = listed(each["service"] for each in all_)
                raise Rejected(f"'{word}' is not a service ({names})")
            state["services"] = found
            state["healthy"] = all(each["healthy"] for each in found)
        return state

    def _print(self, state: Mapping[str, Any]) -> None:
        """Print a state."""
        if self["json"]:
            out(json.dumps(state, indent=2))
        elif self["names"]:
            for each in state["services"]:
                out(each["service"])
        elif not self["quiet"]:
            width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            page, colours = self._page(state, width), hasColours(sys.stdout)
            write(
                "".join(f"{drawn(line, colours)}\n" for line in page.lines), sys.stdout
            )

    def _page(self, state: Mapping[str, Any], width: int | None) -> Page:
        """Return the table, with all about a service that was asked for."""
        return table.page(state, width, detailed=self["service"] is not None)

    def _drawn(self, client: Client, width: int | None) -> Page:
        """Return the table, or an error: the daemon may be restarted."""
        try:
            return self._page(self._state(client), width)
        except (NoDaemon, Rejected) as why:
            return Page(body=tuple(wrapped(f"inetd: {why}", width)))


def _namesOf(service: Mapping[str, Any]) -> Sequence[str]:
    """Return the names of a service that C{status} shows."""
    return namesOf(service["service"], service["address"], service["kind"])


class Health(Command):
    """C{inetd health}."""

    synopsis = "Usage: inetd health [options]"
    longdesc = (
        "Print what an operator must mend, and exit with 1 if there is anything: an "
        "address that cannot be bound, a service that fails every client, or lines "
        "that are left out of the configuration. A limit, a rate limit and a pause by "
        "an operator are not counted."
    )
    optFlags = [
        ["ready", "r", "Exit with 0 if the daemon accepts clients, 1 if it drains."],
        ["live", "l", "Exit with 0 if the daemon answers."],
    ]

    def postOptions(self) -> None:
        """Check the options."""
        if self["ready"] and self["live"]:
            raise usage.UsageError("--ready cannot be combined with --live")

    def run(self) -> int:
        """Print what an operator must mend."""
        reply = self.client.ask("GET", "/health")
        if self["live"]:
            return OK
        if reply["draining"]:
            out("the daemon is draining")
        if self["ready"]:
            return FAILED if reply["draining"] else OK
        for problem in reply["problems"]:
            out(problem)
        for name, trouble in reply["trouble"].items():
            reason = trouble["reason"] and f", {trouble['reason']}"
            out(printable(f"{name}: {trouble['state']}{reason or ''}"))
        return OK if reply["healthy"] else FAILED
