# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What the commands have in common by which an operator asks the daemon, or tells it what
to do.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.python import usage

from inetdtw._version import __version__
from inetdtw.cli.output import out
from inetdtw.cli.usage import Described, helpText, optionsOf
from inetdtw.control.client import Client, NoDaemon
from inetdtw.control.path import NONE, clientPath
from inetdtw.text import environment

#: The exit statuses: all is well, something is not, no daemon answers.
FINE, TROUBLE, NOBODY = 0, 1, 2


class NotDone(Exception):
    """What was asked for is not done; the message says why."""


class Command(Described):
    """What all commands have in common."""

    #: What its usage is, and what it is for.
    synopsis = ""
    about = ""
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
    exits = (
        "It exits with 0 if all is well, with 1 if it is not, and with 2 if no daemon "
        "answers, or the command line is wrong."
    )

    def getUsage(self, width: int | None = None) -> str:
        """What C{--help} prints below the synopsis."""
        return helpText(optionsOf(self), self.about, self.exits)

    def opt_version(self) -> None:
        """Print the version and exit."""
        out(f"inetd (inetdtw) {__version__}")
        raise SystemExit(0)

    def client(self) -> Client:
        """
        What asks the daemon.

        @raise NoDaemon: if it is said that there is none to ask.
        """
        path, usual = clientPath(self["control"], environment(), os.geteuid())
        if path == NONE:
            raise NoDaemon("there is no control socket: --control says where one is")
        return Client(path, usual)

    def run(self) -> int:
        """
        Do it.

        @return: the exit status.
        """
        raise NotImplementedError
