# -*- test-case-name: inetdtw.cli.test.test_main -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The C{inetd} command: its options, as a configuration of twistd(1)."""

from __future__ import annotations

import os
import sys

from twisted.application.service import ServiceMaker
from twisted.logger import ILogObserver
from twisted.python import usage
from twisted.scripts._twistd_unix import ServerOptions

from inetdtw._version import __version__
from inetdtw.cli import operate
from inetdtw.cli.background import SEE_LOG, Runner
from inetdtw.cli.names import ADVICE, COMMANDS, aboutWord
from inetdtw.cli.options import SIGNALS, ServiceOptions
from inetdtw.cli.output import err, out
from inetdtw.cli.service import OptionError
from inetdtw.config import compat
from inetdtw.log import observers
from inetdtw.log.observers import FORMATS
from inetdtw.superserver import NothingToServe
from inetdtw.system.pidfile import PidFile, PidFileError
from inetdtw.text import native, printable

PID_FILE = "/var/run/inetd.pid"
EXITS = (
    "The exit status is 0 after SIGTERM or SIGINT, or if --check found no error; 1 if "
    "nothing can be served, or --check or --explain found an error; and 2 if the "
    "command line is wrong. See inetd(8), and inetd.conf(5) for the files."
)


class InetdOptions(ServiceOptions):
    """The command line of C{inetd}."""

    synopsis = "Usage: inetd [options] [FILE or DIRECTORY]..."
    longdesc = (
        f"{ServiceOptions.longdesc} Without -f or -d it daemonizes and logs to the "
        "system log."
    )
    epilogue = f"{operate.ABOUT}\n\n{SIGNALS}\n\n{EXITS}"
    optFlags = [
        ["foreground", "f", "Stay in the foreground; -i does the same."],
        ["stderr", "e", "With -f: log to standard error, not to the system log."],
        ["stdout", None, "With -f: log to standard output, as containers do."],
        ["debug", "d", "Stay in the foreground, and log everything to standard error."],
    ]
    optParameters = [
        ["pidfile", "p", None, f"The pid file.  [default: {PID_FILE} for root]"],
        ["log-format", None, "text", "The format of the log: text or json."],
    ]

    compData = usage.Completions(
        optActions={
            **ServiceOptions.compData.optActions,
            "log-format": usage.CompleteList(FORMATS),
            "pidfile": usage.CompleteFiles("*.pid"),
        },
    )

    def parseArgs(self, *files: str) -> None:
        """Add configuration files."""
        for name in files:
            _checkFile(name)
        super().parseArgs(*files)

    def opt_i(self) -> None:
        """Like -f."""
        self["foreground"] = 1

    def opt_w(self) -> None:
        """Rejected: access control (libwrap) is not supported."""
        reason = compat.missing(compat.FEATURES["libwrap"])
        raise usage.UsageError(f"-w: {reason}")

    opt_W = opt_w

    def opt_version(self) -> None:
        """Print the version and exit."""
        out(f"inetd (inetdtw) {__version__}")
        raise SystemExit(0)

    def postOptions(self) -> None:
        """Check the options, and set defaults that depend on others."""
        super().postOptions()
        if self["debug"]:
            self.update(
                {"foreground": 1, "stderr": 1, "successes": 1, "log-level": "debug"}
            )
        self._checkChoice("log-format", FORMATS)
        for option, name in (("-e", "stderr"), ("--stdout", "stdout")):
            if self[name] and not self["foreground"]:
                reason = "a daemon has no standard output or error"
                raise usage.UsageError(f"{option} needs -f: {reason}")
        if self["stderr"] and self["stdout"]:
            raise usage.UsageError("--stdout cannot be combined with -e or -d")
        if self["pidfile"] is None:
            background = not self["foreground"]
            self["pidfile"] = PID_FILE if background and os.geteuid() == 0 else ""


def _checkFile(name: str) -> None:
    """
    Check that an argument is meant as a file, and not as a command.

    @raise usage.UsageError: if it is a word, and not the name of a file.
    """
    if name in ADVICE:
        raise usage.UsageError(aboutWord(name))
    if "/" in name or "." in name or os.path.lexists(native(name)):
        return
    # It takes memory, so it is imported only if needed.
    from difflib import get_close_matches

    similar = get_close_matches(name, COMMANDS, 1, 0.75)
    if similar:
        meant = f"did you mean the command 'inetd {similar[0]}'?"
        raise usage.UsageError(f"'{name}' is not a file: {meant}")
    raise usage.UsageError(f"'{name}' is neither a command nor a file")


def _observer(options: InetdOptions) -> ILogObserver:
    """Return the observer that the options ask for."""
    stream = (
        sys.stderr if options["stderr"] else sys.stdout if options["stdout"] else None
    )
    return observers.observerFor(options["log-format"], options["log-level"], stream)


def twistdConfig(options: InetdOptions) -> ServerOptions:
    """Return the configuration of twistd(1) for options of C{inetd}."""
    arguments = ["--pidfile", "", "--umask", "022", "--rundir", "/"]
    if options["foreground"]:
        arguments.append("--nodaemon")
    config = ServerOptions()
    config.parseOptions(arguments)
    maker = ServiceMaker("inetdtw", "inetdtw.cli.service", "inetd(8)", "inetd")
    config.subCommand, config.subOptions = maker.tapname, options
    config.loadedPlugins = {maker.tapname: maker}
    config["no_save"] = True
    config["logger"] = lambda: _observer(options)
    return config


def main() -> None:
    """
    Run C{inetd}, unless the command line is a command for a running daemon.

    @raise SystemExit: with 1 if nothing can be served, and with 2 if the command line
        is wrong, after a message.
    """
    options = InetdOptions()
    try:
        options.parseOptions()
    except usage.UsageError as why:
        err(f"inetd: {printable(str(why))}\nTry 'inetd --help'.")
        raise SystemExit(2) from None
    try:
        pidFile = PidFile(options["pidfile"])
        pidFile.claim(os.getpid())
        Runner(twistdConfig(options), pidFile).run()
    except OptionError as why:
        err(f"{printable(str(why))}\nTry 'inetd --help'.", sys.__stderr__)
        raise SystemExit(2) from None
    except PidFileError as why:
        err(f"inetd: {printable(str(why))}; use -p for another path", sys.__stderr__)
        raise SystemExit(1) from None
    except NothingToServe as why:
        # sys.stderr leads to the log by now.
        seen = options["stderr"] or options["stdout"]
        err(f"inetd: {why}; {'see above' if seen else SEE_LOG}", sys.__stderr__)
        raise SystemExit(1) from None
