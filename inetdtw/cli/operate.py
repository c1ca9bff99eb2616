# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The commands for a running daemon.

They are::

    inetd status [--json] [--watch] [SERVICE]    print the state of the services
    inetd clients [--json] [SERVICE]             print who is served now
    inetd health                                 exit with 0 if all are healthy
    inetd reload                                 reload the configuration
    inetd pause SERVICE, inetd resume SERVICE    leave clients in the backlog
    inetd drain [--wait SECONDS]                 exit when the last program exits
    inetd stop                                   exit now
"""

from __future__ import annotations

import math
import os
import select
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from twisted.python import usage

from inetdtw.cli.clients import Clients
from inetdtw.cli.command import (
    FAILED,
    NO_DAEMON,
    OK,
    Command,
    Rejected,
    seconds,
)
from inetdtw.cli.names import COMMANDS as NAMES
from inetdtw.cli.output import discard, err, out
from inetdtw.cli.status import Health, Status
from inetdtw.cli.usage import reorderOptions
from inetdtw.control.client import Client, NoDaemon
from inetdtw.text import printable

#: The part of C{inetd --help} about them.
ABOUT = (
    "'inetd status', clients, health, reload, pause SERVICE, resume SERVICE, drain and "
    "stop are commands for a running daemon; each has a --help. For a file of such a "
    "name, use ./status."
)
#: The interval at which a daemon that is to exit is polled, in seconds.
LOOK = 0.2
#: The seconds in which a daemon stops, unless something is wrong.
STOPS = 30.0


class Reload(Command):
    """C{inetd reload}."""

    synopsis = "Usage: inetd reload [options]"
    longdesc = (
        "Reload the configuration, and print which services changed. If it has an "
        "error, print that; nothing changes then."
    )

    def run(self) -> int:
        """Send the request, and print the result."""
        changes = self.post("/reload")
        for word in ("changed", "started", "stopped"):
            if changes[word]:
                out(printable(f"{word}: {', '.join(changes[word])}"))
        out(f"{len(changes['kept'])} unchanged")
        return OK


class _OfService(Command):
    """A command for one service."""

    path = ""

    def parseArgs(self, service: str) -> None:  # type: ignore[override] # as usage.Options has it
        """Set the service."""
        self["service"] = service

    def run(self) -> int:
        """Send the request, and print the state of the service."""
        state = self.post(self.path, service=self["service"])
        line = f"{state['service']}: {state['state']}"
        if state["reason"] is not None:
            line += f", {state['reason']}"
        out(printable(line))
        return OK


class Pause(_OfService):
    """C{inetd pause}."""

    path = "/pause"
    synopsis = "Usage: inetd pause [options] SERVICE"
    longdesc = (
        "Stop accepting clients of a service until 'inetd resume': they wait in its "
        "backlog. Running programs continue. A reload does not resume the service."
    )


class Resume(_OfService):
    """C{inetd resume}."""

    path = "/resume"
    synopsis = "Usage: inetd resume [options] SERVICE"
    longdesc = (
        "Accept clients of a service again after 'inetd pause' or a limit; if its "
        "address was in use, bind it now."
    )


class Drain(Command):
    """C{inetd drain}."""

    synopsis = "Usage: inetd drain [options]"
    longdesc = (
        "Close all sockets at once, and end the daemon when the last program exits."
    )
    optParameters: list[list[Any]] = [
        [
            *("wait", "w", None),
            "Return when the daemon has exited, or after so many seconds with exit "
            "status 1; 0 means no limit.",
            seconds("wait", 0, 86400),
        ]
    ]

    def run(self) -> int:
        """Send the request, and print how many programs run."""
        reply = self.post("/drain")
        out(f"draining; running programs: {reply['running']}")
        wait = self["wait"]
        if wait is None or untilGone(self.client, reply["pid"], wait or math.inf):
            return OK
        running = self.client.ask("GET", "/status").get("running")
        reason = f"after {wait:g} seconds the daemon still drains"
        advice = "'inetd stop' ends the daemon now"
        raise Rejected(f"{reason}; running programs: {running}; {advice}")


class Stop(Command):
    """C{inetd stop}."""

    synopsis = "Usage: inetd stop [options]"
    longdesc = (
        "End the daemon, as SIGTERM does, and return when it has exited. Running "
        "programs continue to serve their clients; 'inetd drain' waits for them."
    )

    def run(self) -> int:
        """Send the request, and wait."""
        pid = self.post("/stop")["pid"]
        if not untilGone(self.client, pid, STOPS):
            reason = f"the daemon, pid {pid}, still runs after {STOPS:g} seconds"
            raise Rejected(f"{reason}: see its log")
        out(f"stopped: pid {pid}")
        return OK


def untilGone(
    client: Client,
    pid: int,
    most: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """
    Poll until a daemon has exited.

    @param client: a client that the daemon has just answered.
    @param pid: the process id in that answer.
    @param most: the seconds to wait at most.

    @return: whether it has.
    """
    # Another daemon may answer next.
    process, end = client.pid, clock() + most
    while _answers(client, pid) or runs(process):
        if clock() >= end:
            return False
        sleep(LOOK)
    return True


def _answers(client: Client, pid: int) -> bool:
    """Return whether the daemon answers, and not another one in its place."""
    try:
        return bool(client.ask("GET", "/health").get("pid") == pid)
    except NoDaemon:
        return False


def runs(pid: int) -> bool:
    """
    Return whether a process has not exited yet, where pidfd_open(2) can tell.

    @param pid: its process id; 0 if that is unknown.
    """
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    try:
        return not select.select([fd], [], [], 0)[0]
    finally:
        os.close(fd)


#: The command of each name.
COMMANDS: Mapping[str, Callable[[], Command]] = dict(
    zip(NAMES, (Status, Clients, Health, Reload, Pause, Resume, Drain, Stop))
)


def main(command: str, arguments: Sequence[str]) -> int:
    """
    Run a command.

    @return: the exit status.
    """
    options = COMMANDS[command]()
    try:
        options.parseOptions(reorderOptions(options, arguments))
        return options.run()
    except usage.UsageError as why:
        usual = f"{options.synopsis}\nTry 'inetd {command} --help'."
        err(f"inetd: {printable(str(why))}\n{usual}")
        return NO_DAEMON
    except NoDaemon as why:
        err(f"inetd: {printable(str(why))}")
        return NO_DAEMON
    except Rejected as why:
        err(f"inetd: {printable(str(why))}")
        return FAILED
    except KeyboardInterrupt:
        # Discard what is still buffered.
        discard(sys.stdout)
        return FAILED
