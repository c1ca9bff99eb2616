# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The base of all commands for a running daemon."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, Callable

from twisted.python import usage

from inetdtw._version import __version__
from inetdtw.cli.output import out
from inetdtw.cli.usage import Described
from inetdtw.control.client import Client, NoDaemon
from inetdtw.control.path import NONE, clientPath
from inetdtw.text import environment

#: The exit statuses: no error, an error, no daemon or a wrong command line.
OK, FAILED, NO_DAEMON = 0, 1, 2


def seconds(name: str, low: float, high: float) -> Callable[[str], float]:
    """Return the type of an option whose value is a number of seconds."""

    def read(text: str) -> float:
        with suppress(ValueError):
            if low <= float(text) <= high:
                return float(text)
        reason = (
            f"--{name} takes a number of seconds from {low:g} to {high:g}, not '{text}'"
        )
        raise usage.UsageError(reason)

    return read


class Rejected(Exception):
    """The daemon rejected the request; the message is the reason."""


class Command(Described):
    """A command for a running daemon, and its options."""

    optParameters: list[list[Any]] = [
        [
            "control",
            None,
            None,
            "The daemon's control socket.  [default: $INETD_CONTROL, "
            "/run/inetd/control for root, $XDG_RUNTIME_DIR/inetd/control or "
            "/tmp/inetd-UID/control for others]",
        ]
    ]
    compData = usage.Completions()
    epilogue = (
        "The exit status is 0 without an error, 1 after an error, and 2 if no daemon "
        "answers or the command line is wrong."
    )

    def opt_version(self) -> None:
        """Print the version and exit."""
        out(f"inetd (inetdtw) {__version__}")
        raise SystemExit(0)

    @cached_property
    def client(self) -> Client:
        """
        The client for the control socket.

        @raise NoDaemon: if the path is C{none}.
        """
        path, usual = clientPath(self["control"], environment(), os.geteuid())
        if path == NONE:
            raise NoDaemon("the control socket is disabled: use --control")
        return Client(path, usual)

    def post(self, path: str, **arguments: str) -> Mapping[str, Any]:
        """
        Send a request, and print what the daemon finds in its configuration.

        @return: the reply.
        @raise Rejected: if the daemon rejects the request.
        """
        data = self.client.ask("POST", path, **arguments)
        found = [data.get(each, ()) for each in ("problems", "warnings")]
        if any(found):
            # It reads files, which most commands do not need.
            from inetdtw.cli.findings import printFindings, summary
            from inetdtw.model.errors import fromJSON

            errors, warnings = (list(map(fromJSON, each)) for each in found)
            printFindings(errors, warnings)
            out(summary(error=len(errors), warning=len(warnings)))
        if "error" in data:
            raise Rejected(data["error"])
        return data

    def run(self) -> int:
        """
        Run the command.

        @return: the exit status.
        """
        raise NotImplementedError
