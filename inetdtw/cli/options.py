# -*- test-case-name: inetdtw.cli.test.test_options -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The options of C{twistd inetd}."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any

from twisted.python import usage

from inetdtw.cli import check, explain
from inetdtw.cli.usage import Described, reorderOptions
from inetdtw.config import valuetypes
from inetdtw.config.valuetypes import MOST
from inetdtw.control.path import NONE
from inetdtw.log import rate
from inetdtw.log.events import LEVELS
from inetdtw.model.address import ADDRESSES
from inetdtw.model.service import Bounds, Settings
from inetdtw.system.lookups import Lookups
from inetdtw.text import absolute, printable

DEFAULT_FILE = "/etc/inetd.conf"
SIGNALS = (
    "SIGHUP reloads the configuration, SIGUSR2 logs the state of every service, and "
    "SIGTERM or SIGINT ends the daemon."
)
#: How programs are started.
LAUNCH = ("forkserver", "direct")
#: Where the standard error of programs goes.
STDERR = ("socket", "log", "null")


def _number(
    name: str, letter: str | None, default: int | None, low: int, high: int, help: str
) -> list[Any]:
    """Return an option that takes a number from C{low} to C{high}."""
    option = f"-{letter}" if letter else f"--{name}"
    type, takes = valuetypes.number(low, high), f"a number from {low} to {high}"

    def coerce(text: str) -> int:
        try:
            return type.read((text,))
        except ValueError:
            # The message of usage.Options does not name the option.
            raise usage.UsageError(f"{option} takes {takes}, not '{text}'") from None

    coerce.coerceDoc = takes  # type: ignore[attr-defined] # usage.Options reads it
    return [name, letter, default, help, coerce]


def _absolute(path: str) -> str:
    """
    Return the absolute path of a path on the command line.

    @raise usage.UsageError: if it is relative, and the working directory was removed.
    """
    try:
        return absolute(path)
    except FileNotFoundError as why:
        raise usage.UsageError(why.strerror) from None


class ServiceOptions(Described):
    """The command line of C{twistd inetd}."""

    synopsis = "[options] [FILE or DIRECTORY]..."
    longdesc = (
        "Listen on the sockets of the services in the configuration files, by default "
        f"{DEFAULT_FILE}, and start a service's program for each client."
    )
    epilogue = SIGNALS

    optFlags = [
        ["successes", "l", "Log the start and end of programs: --log-level info."],
        [
            "warm",
            None,
            "Keep a Python interpreter for each service whose program is a Python "
            "program, and fork it for each client.",
        ],
        ["check", None, "Check the configuration, print its errors, and exit."],
    ]
    optParameters = [
        _number(
            *("backlog", "q", 128, 0, 65536),
            "The maximum number of connections that wait to be accepted.",
        ),
        _number(
            *("rate", "R", 0, 0, MOST),
            "The maximum number of starts per minute of a service; 0 means no limit.",
        ),
        _number(
            *("max-child", "c", 0, 0, MOST),
            "The maximum number of running programs of a service; 0 means no limit.",
        ),
        _number(
            *("ip-rate", "C", 0, 0, MOST),
            "The maximum number of starts per minute of a service for each client "
            "address; 0 means no limit.",
        ),
        _number(
            *("max-child-per-ip", "s", 0, 0, MOST),
            "The maximum number of running programs of a service for each client "
            "address; 0 means no limit.",
        ),
        [
            *("per-source-prefix", None, "32/64"),
            "The number of bits of an IPv4 and of an IPv6 address that count as one "
            "client address.",
        ],
        _number(
            *("answer-max", None, 6000, 0, MOST),
            "The maximum number of answers to datagrams per minute for each client "
            "address; 0 means no limit.",
        ),
        _number(
            *("pause", None, 60, 1, 86400),
            "How many seconds a service that reaches -R is paused.",
        ),
        _number(
            *("max-children", None, None, 0, 1 << 22),
            "The maximum number of running programs of all services; 0 means no "
            "limit.  [default: half of the user's limit of processes]",
        ),
        ["address", "a", "*", "The address or host name to listen on."],
        [
            *("log-level", None, "notice"),
            "The lowest level to log: error, warn, notice (what the daemon does), info "
            "(and the start and end of every program), debug.",
        ],
        [
            *("log-addresses", None, "full"),
            "How client addresses are logged: full, prefix (the first 24 bits of IPv4 "
            "or 48 of IPv6) or none.",
        ],
        _number(
            *("log-rate", None, rate.BURST, 0, 1 << 22),
            "The maximum number of log lines of each kind for a service in ten "
            f"seconds, of {rate.AVERAGE} bytes on average; 0 means no limit.",
        ),
        [
            *("control", None, None),
            "The UNIX socket for commands such as 'inetd status', or none; "
            "$INETD_CONTROL sets it too.  [default: /run/inetd/control for root, "
            "$XDG_RUNTIME_DIR/inetd/control or /tmp/inetd-UID/control for others]",
        ],
        [
            *("metrics", None, None),
            "The Twisted endpoint that serves /metrics for Prometheus, such as "
            "tcp:9100:interface=127.0.0.1.  [default: none]",
        ],
        [
            *("explain", None, None),
            "Print a service with all keys and defaults, and exit.",
        ],
        [
            *("launch", None, LAUNCH[0]),
            f"How programs are started: {' or '.join(LAUNCH)}.",
        ],
        [
            *("service-stderr", None, None),
            "Where the standard error of programs goes: socket (with nowait, the "
            "client), log or null.  [default: log for wait, socket for nowait]",
        ],
    ]
    compData = usage.Completions(
        optActions={
            "conf": usage.CompleteFiles("*.conf"),
            "control": usage.CompleteFiles(),
            "launch": usage.CompleteList(LAUNCH),
            "service-stderr": usage.CompleteList(STDERR),
            "log-level": usage.CompleteList(LEVELS),
            "log-addresses": usage.CompleteList(ADDRESSES),
        },
    )

    def __init__(self) -> None:
        """Begin without configuration files."""
        super().__init__()
        self["conf"] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse a command line; options may follow files."""
        given = sys.argv[1:] if options is None else options
        try:
            super().parseOptions(reorderOptions(self, given))
        except usage.UsageError as why:
            # twistd(1) prints it as it is.
            raise usage.UsageError(printable(str(why), "\n")) from None

    def opt_conf(self, path: str) -> None:
        """
        Add a configuration file, or a directory of such files; may be repeated.

        [default: /etc/inetd.conf]
        """
        self["conf"].append(path)

    def parseArgs(self, *files: str) -> None:
        """Add configuration files."""
        self["conf"] += files

    def settings(self) -> Settings:
        """Return the defaults for services whose entries do not have a key."""
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
            stderr=self["service-stderr"],
        )

    def _checkChoice(self, name: str, choices: Collection[str]) -> None:
        if self[name] not in choices:
            known = ", ".join(choices)
            raise usage.UsageError(f"--{name}: '{self[name]}' is unknown ({known})")

    def postOptions(self) -> None:
        """Check the options, and do C{--check} or C{--explain}."""
        self._checkChoice("launch", LAUNCH)
        if self["service-stderr"] is not None:
            self._checkChoice("service-stderr", STDERR)
        self._checkChoice("log-level", LEVELS)
        self._checkChoice("log-addresses", ADDRESSES)
        try:
            valuetypes.PREFIX.read((self["per-source-prefix"],))
        except ValueError as why:
            raise usage.UsageError(f"--per-source-prefix: {why}") from None
        if not self["address"]:
            raise usage.UsageError("-a must not be empty; * is every address")
        if self["successes"] and self["log-level"] != "debug":
            self["log-level"] = "info"
        files = self["conf"] or [DEFAULT_FILE]
        if self["check"]:
            good = check.check(files, self.settings(), Lookups.ofThisProcess())
            raise SystemExit(0 if good else 1)
        if self["explain"] is not None:
            known = files, self.settings(), Lookups.ofThisProcess()
            raise SystemExit(0 if explain.explain(self["explain"], *known) else 1)
        # A daemon changes its working directory, and reads the files again.
        self["conf"] = list(map(_absolute, files))
        if self["control"] and self["control"] != NONE:
            self["control"] = _absolute(self["control"])
