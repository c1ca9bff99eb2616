# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The commands by which an operator asks the daemon and tells it what to do::

    inetd status [--json] [--watch] [SERVICE]    how everything is
    inetd health                                 the same, as an exit status only
    inetd reload                                 read the configuration again
    inetd pause SERVICE, inetd resume SERVICE    clients of a service wait
    inetd drain [--wait]                         end when no program runs any more

The exit status is 0 if all is well, 1 if it is not, and 2 if no daemon answers, or the
command line is wrong.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Callable

from twisted.python import usage

from inetdtw.cli import table
from inetdtw.cli.command import FINE, NOBODY, TROUBLE, Command, NotDone
from inetdtw.cli.output import discard, err, out
from inetdtw.cli.status import Health, Status
from inetdtw.cli.usage import reorderOptions
from inetdtw.control.client import Client, NoDaemon
from inetdtw.text import printable

#: What C{inetd --help} says of them.
ABOUT = (
    "'inetd status', health, reload, pause SERVICE, resume SERVICE and drain ask a "
    "daemon that runs, or tell it what to do; each has a --help. A file of such a name "
    "is ./status."
)
#: The seconds between two looks whether a daemon that drains is gone.
LOOK = 0.2


class Reload(Command):
    """C{inetd reload}."""

    synopsis = "Usage: inetd reload [options]"
    about = (
        "Have the daemon read its configuration again, and say what that changes, or "
        "what is wrong with it; then nothing changes."
    )

    def run(self) -> int:
        """Tell the daemon, and print what came of it."""
        said = self.client().ask("POST", "/reload")
        for line in (*said.data.get("problems", ()), *said.data.get("warnings", ())):
            out(line)
        if said.error is not None:
            raise NotDone(said.error)
        for word in ("changed", "started", "stopped"):
            if said.data[word]:
                out(printable(f"{word}: {', '.join(said.data[word])}"))
        out(f"{len(said.data['kept'])} kept as they were")
        return FINE


class _OfService(Command):
    """A command about one service."""

    path = ""

    def parseArgs(self, service: str) -> None:  # type: ignore[override] # as usage.Options has it
        """Take the service."""
        self["service"] = service

    def run(self) -> int:
        """Tell the daemon, and print how the service is then."""
        said = self.client().ask("POST", self.path, service=self["service"])
        if said.error is not None:
            raise NotDone(said.error)
        line = f"{said.data['service']}: {table.condition(said.data)}"
        if said.data["reason"] is not None:
            line += f", {said.data['reason']}"
        out(printable(line))
        return FINE


class Pause(_OfService):
    """C{inetd pause}."""

    path = "/pause"
    synopsis = "Usage: inetd pause [options] SERVICE"
    about = (
        "Have a service take no clients, until 'inetd resume': they wait in its "
        "backlog. Programs that run go on. A reload does not change that."
    )


class Resume(_OfService):
    """C{inetd resume}."""

    path = "/resume"
    synopsis = "Usage: inetd resume [options] SERVICE"
    about = (
        "Have a service take clients again, whatever it paused for: 'inetd pause', too "
        "many starts in a minute, or an address that was in use, which is tried now."
    )


class Drain(Command):
    """C{inetd drain}."""

    synopsis = "Usage: inetd drain [options]"
    about = (
        "Have the daemon take no more clients, and end when no program runs any more. "
        "Its sockets are closed at once."
    )
    optFlags = [["wait", "w", "Return when the daemon has ended."]]

    def run(self) -> int:
        """Tell the daemon, and print what it waits for."""
        client = self.client()
        said = client.ask("POST", "/drain")
        if said.error is not None:
            raise NotDone(said.error)
        out(f"no clients are taken any more; {said.data['running']} programs run")
        if self["wait"]:
            _untilGone(client, time.sleep)
        return FINE


def _untilGone(client: Client, sleep: Callable[[float], None]) -> None:
    """Wait until the daemon has ended."""
    while True:
        try:
            said = client.ask("GET", "/health")
        except NoDaemon:
            return
        if not said.data.get("draining"):
            # It is another one, which has taken its place.
            return
        sleep(LOOK)


COMMANDS: Mapping[str, Callable[[], Command]] = {
    "status": Status,
    "health": Health,
    "reload": Reload,
    "pause": Pause,
    "resume": Resume,
    "drain": Drain,
}


def main(command: str, arguments: Sequence[str]) -> int:
    """
    Be one of the commands.

    @return: the exit status.
    """
    options = COMMANDS[command]()
    try:
        options.parseOptions(reorderOptions(options, arguments))
        return options.run()
    except usage.UsageError as why:
        usual = f"{options.synopsis}\nTry 'inetd {command} --help'."
        err(f"inetd: {printable(str(why))}\n{usual}")
        return NOBODY
    except NoDaemon as why:
        err(f"inetd: {printable(str(why))}")
        return NOBODY
    except NotDone as why:
        err(f"inetd: {printable(str(why))}")
        return TROUBLE
    except KeyboardInterrupt:
        # Nobody reads what else there would be to say.
        discard(sys.stdout)
        return TROUBLE
