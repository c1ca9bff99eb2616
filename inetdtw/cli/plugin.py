# -*- test-case-name: inetdtw.cli.test.test_plugin -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{twistd inetd}: options to a service, and nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.python import usage

from inetdtw.cli import check, explain
from inetdtw.cli.output import err
from inetdtw.cli.usage import Described, helpText, optionsOf, reorderOptions
from inetdtw.config import valuetypes
from inetdtw.control.path import NONE, pathOf
from inetdtw.daemon import sdnotify
from inetdtw.daemon.init import OrphanReaper
from inetdtw.daemon.signals import ReloadOnHangup, StateOnUser2, handleSignals, stop
from inetdtw.log import rate
from inetdtw.log.events import LEVELS
from inetdtw.log.report import Report
from inetdtw.log.stream import takeStreams
from inetdtw.log.systemlog import takeSyslog
from inetdtw.model.address import ADDRESSES
from inetdtw.model.service import Bounds, Settings
from inetdtw.superserver import InetdService, NothingToServe
from inetdtw.system.activation import Inherited
from inetdtw.system.clock import MonotonicClock
from inetdtw.text import absolute, environment, printable

DEFAULT_FILE = "/etc/inetd.conf"
SIGNALS = (
    "SIGHUP has the files read again, SIGUSR2 logs the state of every service, and "
    "SIGTERM or SIGINT ends the daemon."
)
#: The largest count.
MOST = 32767


class WrongOption(SystemExit):
    """An option that nothing can be made of, which only shows when that is tried."""


def _number(option: str, low: int, high: int) -> Any:
    """A coercion for an option that takes a number."""
    kind, takes = valuetypes.number(low, high), f"a number from {low} to {high}"

    def coerce(text: str) -> int:
        try:
            return kind.read((text,))
        except ValueError:
            # Twisted would not say which option it is.
            raise usage.UsageError(f"{option} takes {takes}, not '{text}'") from None

    coerce.coerceDoc = takes  # type: ignore[attr-defined] # usage.Options reads it
    return coerce


def _absolute(path: str) -> str:
    """
    Return the absolute path of a path on the command line.

    @raise usage.UsageError: if it is relative, and the working directory is gone.
    """
    try:
        return absolute(path)
    except FileNotFoundError as why:
        raise usage.UsageError(why.strerror) from None


class Options(Described):
    """What can be said on the command line of C{twistd inetd}."""

    synopsis = "[options] [FILE or FOLDER]..."
    longdesc = (
        "Listen on the sockets of the services in the configuration files, by default "
        f"{DEFAULT_FILE}, and start a service's program when a client comes."
    )
    epilogue = SIGNALS

    optFlags = [
        ["successes", "l", "Log the start and end of programs: --log-level info."],
        [
            "warm",
            None,
            "Keep an interpreter that is forked for every client, for each service "
            "whose program is Python's.",
        ],
        ["check", None, "Say what is wrong with the configuration, and exit."],
    ]
    optParameters = [
        [
            "backlog",
            "q",
            128,
            "How many connections may wait.",
            _number("-q", 0, 65536),
        ],
        [
            "rate",
            "R",
            0,
            "How many programs a service may start in a minute; 0 is no limit.",
            _number("-R", 0, MOST),
        ],
        [
            "max-child",
            "c",
            0,
            "How many programs of a service may run at once; 0 is no limit.",
            _number("-c", 0, MOST),
        ],
        [
            "ip-rate",
            "C",
            0,
            "How many programs a service may start in a minute for one client "
            "address; 0 is no limit.",
            _number("-C", 0, MOST),
        ],
        [
            "max-child-per-ip",
            "s",
            0,
            "How many programs of a service may run at once for one client address; "
            "0 is no limit.",
            _number("-s", 0, MOST),
        ],
        [
            "per-source-prefix",
            None,
            "32/64",
            "How many bits of an IPv4 and of an IPv6 address count as one client "
            "address.",
        ],
        [
            "answer-max",
            None,
            6000,
            "How many answers to datagrams one client address may get in a minute; 0 "
            "is no limit.",
            _number("--answer-max", 0, MOST),
        ],
        [
            "pause",
            None,
            60,
            "How many seconds a service pauses that has started -R programs in a "
            "minute.",
            _number("--pause", 1, 86400),
        ],
        [
            "max-children",
            None,
            None,
            "How many programs of all services may run at once; 0 is no limit.  "
            "[default: half of the processes that the user may have]",
            _number("--max-children", 0, 1 << 22),
        ],
        [
            "address",
            "a",
            "*",
            "The address or host name to listen on, where a line does not say.",
        ],
        [
            "log-level",
            None,
            "notice",
            "What is worth a line in the log: error, warn, notice (what the daemon "
            "does), info (and the start and end of every program), debug.",
        ],
        [
            "log-addresses",
            None,
            "full",
            "How much of clients' addresses is logged: full, prefix (the first 24 "
            "bits, or 48 of IPv6) or none.",
        ],
        [
            "log-rate",
            None,
            rate.BURST,
            "How many lines of each kind a service may have in the log in ten seconds, "
            f"of {rate.AVERAGE} bytes on average; 0 is no limit.",
            _number("--log-rate", 0, 1 << 22),
        ],
        [
            "control",
            None,
            None,
            "The UNIX socket by which 'inetd status' and others reach the daemon, or "
            "none; $INETD_CONTROL says it too.  [default: /run/inetd/control for root, "
            "$XDG_RUNTIME_DIR/inetd/control or /tmp/inetd-UID/control for others]",
        ],
        [
            "metrics",
            None,
            None,
            "Where to answer /metrics for Prometheus: a Twisted endpoint, such as "
            "tcp:9100:interface=127.0.0.1.  [default: nowhere]",
        ],
        [
            "explain",
            None,
            None,
            "Say what a service comes to after all defaults, and exit.",
        ],
        [
            "launch",
            None,
            "forkserver",
            "How programs are started: forkserver or direct.",
        ],
    ]
    compData = usage.Completions(
        optActions={
            "conf": usage.CompleteFiles("*.conf"),
            "control": usage.CompleteFiles(),
            "launch": usage.CompleteList(["forkserver", "direct"]),
            "log-level": usage.CompleteList(LEVELS),
            "log-addresses": usage.CompleteList(ADDRESSES),
        },
    )

    def __init__(self) -> None:
        super().__init__()
        self["conf"] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Take a command line, whose options may stand behind its files."""
        given = sys.argv[1:] if options is None else options
        try:
            super().parseOptions(reorderOptions(self, given))
        except usage.UsageError as why:
            # twistd(1) prints it as it is.
            raise usage.UsageError(printable(str(why), "\n")) from None

    def opt_conf(self, path: str) -> None:
        """
        The configuration file, or a folder of such files; may be given more than
        once.  [default: /etc/inetd.conf]
        """
        self["conf"].append(path)

    def parseArgs(self, *files: str) -> None:
        """Take the configuration files."""
        self["conf"] += files

    def getUsage(self, width: int | None = None) -> str:
        """What C{--help} prints below the synopsis."""
        return helpText(optionsOf(self), self.longdesc, self.epilogue)

    def settings(self) -> Settings:
        """What holds for every service that does not say otherwise."""
        return Settings(
            backlog=self["backlog"],
            bounds=Bounds(
                self["max-child"],
                self["rate"],
                self["ip-rate"],
                self["max-child-per-ip"],
                self["pause"],
                valuetypes.PREFIX.read((self["per-source-prefix"],)),
                self["answer-max"],
            ),
            launch=self["launch"],
            bind=(self["address"],),
            warm=bool(self["warm"]),
        )

    def _choice(self, name: str, choices: Collection[str]) -> None:
        """See that an option has one of a few values."""
        if self[name] not in choices:
            raise usage.UsageError(f"--{name} takes one of {', '.join(choices)}")

    def postOptions(self) -> None:
        """Check what goes together."""
        self._choice("launch", ("forkserver", "direct"))
        self._choice("log-level", LEVELS)
        self._choice("log-addresses", ADDRESSES)
        try:
            valuetypes.PREFIX.read((self["per-source-prefix"],))
        except ValueError as why:
            raise usage.UsageError(f"--per-source-prefix: {why}") from None
        if not self["address"]:
            raise usage.UsageError("-a takes an address, not ''; * is every address")
        if self["successes"] and self["log-level"] != "debug":
            self["log-level"] = "info"
        files = self["conf"] or [DEFAULT_FILE]
        if self["check"]:
            raise SystemExit(check.main(files, self.settings()))
        if self["explain"] is not None:
            raise SystemExit(explain.main(self["explain"], files, self.settings()))
        # A daemon goes to another folder, and reads them again there.
        self["conf"] = list(map(_absolute, files))
        if self["control"] and self["control"] != NONE:
            self["control"] = _absolute(self["control"])


def _sayOnly(expected: type[Exception]) -> None:
    """
    Have an exception that ends this process, which is what twistd(1) lets it do, said
    in one line: that a port is in use is nobody's mistake in a program.
    """
    usual = sys.excepthook
    if getattr(usual, "expected", None) is expected:
        return

    def say(kind: Any, why: Any, trace: Any) -> None:
        if isinstance(why, expected):
            # The other one leads to the log by now.
            err(f"inetd: {why}", sys.__stderr__)
        else:
            usual(kind, why, trace)

    say.expected = expected  # type: ignore[attr-defined] # to be known again
    sys.excepthook = say


def _operated(
    options: Options, inetd: InetdService, report: Report
) -> Iterator[IService]:
    """
    What an operator, and what watches the daemon, can ask.

    @raise WrongOption: if there can be no such thing.
    """
    path, usual = pathOf(options["control"], environment(), os.geteuid())
    if path != NONE:
        # It is imported where it is wanted only: it takes memory.
        from inetdtw.control.api import OperatorAPI
        from inetdtw.control.server import ControlSocket

        api = OperatorAPI(inetd, stopReactor)
        try:
            path = absolute(path)
        except FileNotFoundError as why:
            raise WrongOption(f"inetd: --control: {why.strerror}") from None
        control = ControlSocket(
            *(api, path, report),
            usual=usual,
            descriptors=inetd.descriptors,
        )
        inetd.alsoCheck(control.check)
        yield control
    if options["metrics"] is not None:
        from inetdtw.control.api import MetricsAPI
        from inetdtw.control.metricsendpoint import MetricsEndpoint

        try:
            yield MetricsEndpoint(
                *(MetricsAPI(inetd.state), options["metrics"], report),
                descriptors=inetd.descriptors,
            )
        except ValueError as why:
            raise WrongOption(f"inetd: --metrics: {why}") from None


def stopReactor() -> None:
    """End this process, with the status of one that has done its work."""
    from twisted.internet import reactor

    stop(reactor)


def makeService(options: Options) -> IService:
    """
    Make the service that C{twistd inetd} runs.

    What a supervisor asks for in the environment, what is the business of process 1,
    and what other signals do, is for these commands only: an application decides
    itself.

    @raise SystemExit: if there is nothing to serve.
    """
    report = Report(
        options["log-level"], options["log-addresses"], burst=options["log-rate"]
    )
    handleSignals(report)
    takeStreams(report)
    takeSyslog(report)
    inetd = InetdService(
        options["conf"],
        settings=options.settings(),
        report=report,
        required=True,
        maxChildren=options["max-children"],
        inherited=Inherited.fromEnvironment(environment(), os.getpid()),
    )
    if not inetd.configuration.services:
        problems = "".join(f"\n{each}" for each in inetd.configuration.problems)
        files = ", ".join(map(printable, options["conf"]))
        raise SystemExit(f"inetd: nothing to serve in {files}{problems}")
    _sayOnly(NothingToServe)
    whole = MultiService()
    MonotonicClock().setServiceParent(whole)
    for each in _operated(options, inetd, report):
        each.setServiceParent(whole)
    ReloadOnHangup(inetd).setServiceParent(whole)
    StateOnUser2(inetd).setServiceParent(whole)
    if os.getpid() == 1:
        OrphanReaper(inetd).setServiceParent(whole)
    inetd.setServiceParent(whole)
    _tellSupervisor(inetd, report, whole)
    return whole


def _tellSupervisor(inetd: InetdService, report: Report, whole: MultiService) -> None:
    """Have a supervisor told what it wants to know, if there is one."""
    address = sdnotify.addressOf(environment(), report)
    if address is not None:
        watchdog = sdnotify.watchdogInterval(os.environ, os.getpid())
        told = sdnotify.Notifications(inetd, address, watchdog, report=report)
        told.setServiceParent(whole)
