# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{inetd status} and C{inetd health}: how everything is."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.python import usage

from inetdtw.cli import screen, table
from inetdtw.cli.command import FINE, TROUBLE, Command, NotDone
from inetdtw.cli.output import out
from inetdtw.control.client import Client, NoDaemon
from inetdtw.model.selection import listed, matches
from inetdtw.text import printable


def _seconds(text: str) -> float:
    """The value of C{--interval}."""
    with contextlib.suppress(ValueError):
        if 0.1 <= float(text) <= 86400:
            return float(text)
    raise usage.UsageError(f"--interval takes seconds, from 0.1 to 86400, not '{text}'")


class Status(Command):
    """C{inetd status}."""

    synopsis = "Usage: inetd status [options] [SERVICE]"
    about = (
        "Ask the daemon how it and its services are. A service is what the file calls "
        "it, with or without /PROTOCOL, or its address."
    )
    optFlags = [
        ["json", "j", "For machines: all there is to know, in JSON."],
        ["watch", "w", "Again and again, in place, until Ctrl-C."],
        ["quiet", "q", "Print nothing: the exit status says whether all is well."],
    ]
    optParameters: list[list[Any]] = [
        ["interval", "n", 1.0, "The seconds between, with --watch.", _seconds],
    ]

    def parseArgs(self, service: str | None = None) -> None:
        """Take the service."""
        self["service"] = service

    def postOptions(self) -> None:
        """See what goes together."""
        if self["watch"] and (self["quiet"] or self["json"]):
            raise usage.UsageError("--watch shows a table, not with --json or --quiet")
        if self["quiet"] and self["json"]:
            raise usage.UsageError("--quiet prints nothing, not with --json")

    def run(self) -> int:
        """Ask, and print the answer."""
        client = self.client()
        if self["watch"]:
            screen.watch(
                lambda width: self._drawn(client, width),
                self["interval"],
                sys.stdout,
            )
            return FINE
        state = self._state(client)
        self._print(state)
        return FINE if state["healthy"] else TROUBLE

    def _state(self, client: Client) -> dict[str, Any]:
        """
        How everything is, or one service.

        @raise NotDone: if there is no such service.
        """
        state = dict(client.ask("GET", "/status").data)
        if self["service"] is not None:
            word, all_ = self["service"], state["services"]
            found = [e for e in all_ if matches(word, e["service"], e["address"])]
            if not found:
                names = listed(each["service"] for each in all_)
                raise NotDone(f"there is no service '{word}', only: {names}")
            state["services"] = found
            state["healthy"] = all(each["healthy"] for each in found)
        return state

    def _print(self, state: Mapping[str, Any]) -> None:
        """Print how everything is."""
        if self["json"]:
            out(json.dumps(state, indent=2))
        elif not self["quiet"]:
            for line in table.lines(state):
                out(line)

    def _drawn(self, client: Client, width: int | None) -> Sequence[str]:
        """The lines to show now.  A daemon that does not answer may come back."""
        try:
            return table.lines(self._state(client), width)
        except (NoDaemon, NotDone) as why:
            return [table.cut(f"inetd: {why}", width)]


class Health(Command):
    """C{inetd health}."""

    synopsis = "Usage: inetd health [options]"
    about = "Exit with 0 if all services do what their configuration says."

    def run(self) -> int:
        """Ask."""
        said = self.client().ask("GET", "/health").data
        for name, condition in said["trouble"].items():
            out(f"{printable(name)}: {condition}")
        if said["draining"]:
            out("the daemon drains")
        return FINE if said["healthy"] else TROUBLE
