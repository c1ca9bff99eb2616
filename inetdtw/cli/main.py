# -*- test-case-name: inetdtw.cli.test.test_main -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The C{inetd} command: what people type, to what twistd(1) takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from twisted.application.service import ServiceMaker
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.scripts._twistd_unix import ServerOptions

from inetdtw._version import __version__
from inetdtw.cli import operate, plugin
from inetdtw.cli.background import ELSEWHERE, Runner
from inetdtw.cli.output import err, out
from inetdtw.config import compat
from inetdtw.log import observers
from inetdtw.log.observers import FORMATS
from inetdtw.superserver import NothingToServe
from inetdtw.system import pidfile
from inetdtw.text import native, printable

PID_FILE = "/var/run/inetd.pid"
EXITS = (
    "It exits with 0 if it served until it was told to end, or had nothing to complain "
    "of; with 1 if there is nothing to serve, or the configuration that was to be "
    "checked or explained is wrong; and with 2 if the command line is wrong. "
    "inetd(8) has more, inetd.conf(5) the format of the files."
)


class Options(plugin.Options):
    """What can be said on the command line of C{inetd}."""

    synopsis = "Usage: inetd [options] [FILE or FOLDER]..."
    longdesc = (
        f"{plugin.Options.longdesc} Without -f or -d it goes to the background and logs "
        "to the system log."
    )
    epilogue = f"{operate.ABOUT}\n\n{plugin.SIGNALS}\n\n{EXITS}"
    optFlags = [
        ["foreground", "f", "Stay in the foreground; -i does the same."],
        ["stderr", "e", "With -f: log to standard error, not to the system log."],
        ["stdout", None, "With -f: log to standard output, as containers do."],
        ["debug", "d", "Stay in the foreground, and log all there is to stderr."],
    ]
    optParameters = [
        ["pidfile", "p", None, f"The pid file.  [default: {PID_FILE} for root]"],
        ["log-format", None, "text", "What the log is written as: text or json."],
    ]

    compData = usage.Completions(
        optActions={
            **plugin.Options.compData.optActions,
            "log-format": usage.CompleteList(FORMATS),
            "pidfile": usage.CompleteFiles("*.pid"),
        },
    )

    def parseArgs(self, *files: str) -> None:
        """Take the configuration files, none of which is meant to be a command."""
        for name in files:
            command = _commandMeant(name)
            if command is not None:
                reason = f"there is no file '{name}'; a command comes first"
                raise usage.UsageError(f"{reason}: 'inetd {command}'")
        super().parseArgs(*files)

    def opt_i(self) -> None:
        """Like -f."""
        self["foreground"] = 1

    def opt_w(self) -> None:
        """Refused: it asks for access rules, which services must not go without."""
        reason = compat.missing(compat.FEATURES["libwrap"])
        raise usage.UsageError(f"-w {reason}")

    opt_W = opt_w

    def opt_version(self) -> None:
        """Print the version and exit."""
        out(f"inetd (inetdtw) {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        """See what follows from what was given."""
        super().postOptions()
        if self["debug"]:
            self.update(
                {"foreground": 1, "stderr": 1, "successes": 1, "log-level": "debug"}
            )
        self._choice("log-format", FORMATS)
        for option, name in (("-e", "stderr"), ("--stdout", "stdout")):
            if self[name] and not self["foreground"]:
                reason = "a daemon has no standard output or error"
                raise usage.UsageError(f"{option} needs -f: {reason}")
        if self["stderr"] and self["stdout"]:
            raise usage.UsageError("--stdout does not go with -e or -d")
        if self["pidfile"] is None:
            background = not self["foreground"]
            self["pidfile"] = PID_FILE if background and os.geteuid() == 0 else ""


def _commandMeant(name: str) -> str | None:
    """The command that somebody means who has misspelt it, or named it too late."""
    if os.path.lexists(native(name)) or not name.isalpha():
        return None
    # It is imported where it is wanted only: it takes memory.
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, operate.COMMANDS, 1, 0.75)), None)


def _observer(options: Options) -> ILogObserver:
    """Return the observer that the options ask for."""
    stream = (
        sys.stderr if options["stderr"] else sys.stdout if options["stdout"] else None
    )
    return observers.observerFor(options["log-format"], options["log-level"], stream)


def twistdConfig(options: Options) -> ServerOptions:
    """Say to twistd(1) what was said to C{inetd}."""
    arguments = ["--pidfile", "", "--umask", "022", "--rundir", "/"]
    if options["foreground"]:
        arguments.append("--nodaemon")
    config = ServerOptions()
    config.parseOptions(arguments)
    maker = ServiceMaker("inetdtw", "inetdtw.tap", "inetd(8)", "inetd")
    config.subCommand, config.subOptions = maker.tapname, options
    config.loadedPlugins = {maker.tapname: maker}
    config["no_save"] = True
    config["logger"] = lambda: _observer(options)
    return config


def _claimPidFile(path: str) -> pidfile.PidFile:
    """
    See that the pid file can be written, before anybody relies on it.

    @raise SystemExit: with 1 if it cannot; a message says why.
    """
    try:
        file = pidfile.PidFile(path)
        file.claim(os.getpid())
    except pidfile.PidFileError as why:
        err(f"inetd: {printable(str(why))}; -p takes another one")
        raise SystemExit(1) from None
    return file


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Be C{inetd}.

    @param arguments: the command line, by default this process'.

    @raise SystemExit: with 1 if there is nothing to serve, and with 2 if the command
        line is wrong; a message says why.
    """
    said = list(sys.argv[1:] if arguments is None else arguments)
    if said and said[0] in operate.COMMANDS:
        raise SystemExit(operate.main(said[0], said[1:]))
    options = Options()
    try:
        options.parseOptions(said)
    except usage.UsageError as why:
        err(f"inetd: {printable(str(why))}\nTry 'inetd --help'.")
        raise SystemExit(2) from None
    pidFile = _claimPidFile(options["pidfile"])
    try:
        Runner(twistdConfig(options), pidFile).run()
    except plugin.WrongOption as why:
        err(f"{printable(str(why))}\nTry 'inetd --help'.", sys.__stderr__)
        raise SystemExit(2) from None
    except pidfile.PidFileError as why:
        err(f"inetd: {printable(str(why))}; -p takes another one", sys.__stderr__)
        raise SystemExit(1) from None
    except NothingToServe as why:
        # The other one leads to the log by now.
        seen = options["stderr"] or options["stdout"]
        where = "above" if seen else ELSEWHERE
        err(f"inetd: {why}; the reasons are {where}", sys.__stderr__)
        raise SystemExit(1) from None
