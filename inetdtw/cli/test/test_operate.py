# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.status}, and for what all commands share."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import command, entry, operate, screen, service
from inetdtw.cli.operate import COMMANDS
from inetdtw.cli.page import Line, Page
from inetdtw.control.client import NoDaemon
from inetdtw.model.errors import ConfWarning, Location, toJSON
from inetdtw.model.state import PauseReason
from inetdtw.model.test.test_state import DAEMON, ONE

#: The reply of a daemon that has nothing to mend.
FINE = {"healthy": True, "draining": False, "problems": [], "trouble": {}}
BAD = replace(
    ONE,
    name="8/tcp",
    address="127.0.0.1:8",
    pauses=(PauseReason.UNBOUND,),
    reason="in use",
)


class FakeClient:
    """
    A client with the replies of a test.

    @ivar answers: the next replies; the last one is repeated.
    @ivar asked: the requests.
    @ivar made: the paths of the sockets, and whether these were the default ones.
    @ivar pid: the process id of the daemon.
    """

    def __init__(self) -> None:
        """Start without replies."""
        self.answers: list[Mapping[str, Any] | NoDaemon] = []
        self.asked: list[Any] = []
        self.made: list[tuple[str, bool]] = []
        self.pid = 7

    def make(self, path: str, usual: bool = False) -> FakeClient:
        """Set the path."""
        self.made.append((path, usual))
        return self

    def ask(self, method: str, path: str, **query: str) -> Mapping[str, Any]:
        """Return the next reply."""
        self.asked.append((method, path, *query.values()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, NoDaemon):
            raise answer
        return answer


class CommandTestCase(SynchronousTestCase):
    """A test of commands with a fake client."""

    def setUp(self) -> None:
        """Make a fake client."""
        self.client = FakeClient()
        self.patch(command, "Client", self.client.make)

    def write(self, text: str) -> str:
        """Write a configuration file, and return its path."""
        path: str = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write(text)
        return path

    def run_(
        self, *arguments: str, reply: Mapping[str, Any] | None = None
    ) -> tuple[int, str, str]:
        """
        Run a command with a reply.

        @return: the exit status and what is printed, on both streams.
        """
        if reply is not None:
            self.client.answers = [reply]
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = operate.main(arguments[0], arguments[1:])
        return code, output.getvalue(), errors.getvalue()


def finding(
    file: str, field: str, reason: str, line: int = 1, column: int = 1
) -> dict[str, Any]:
    """Return an error or a warning as the daemon sends it."""
    return toJSON(ConfWarning(Location(file, line, column), field, reason))


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return True


class StatusTests(CommandTestCase):
    """Tests for C{inetd status} and C{inetd health}."""

    def test_table(self) -> None:
        """The table is printed, and the status is 0 if all services are healthy."""
        code, output, errors = self.run_("status", reply=DAEMON.asJSON())
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("SERVICE ADDRESS STATE", output)
        self.assertIn("7/tcp   *:7     listening", output)
        self.assertEqual(self.client.asked, [("GET", "/status")])

    def test_terminal(self) -> None:
        """On a terminal the rows fit into its width; reasons are not cut."""
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
        bad = replace(BAD, address="/run/" + "n" * 60, reason="in use " * 20)
        state = replace(DAEMON, services=(bad,)).asJSON()
        _, output, _ = self.run_("status", reply=state)
        self.assertIn(bad.address, output)
        self.patch(io, "StringIO", Terminal)
        self.patch(os, "environ", {"TERM": "xterm"})
        self.assertIn("\x1b[31m8/tcp ", self.run_("status", reply=state)[1])
        self.patch(os, "environ", {"TERM": "xterm", "NO_COLOR": "1"})
        _, output, _ = self.run_("status", reply=state)
        self.assertNotIn("/run/", output)
        self.assertIn(" +nnn", output)
        self.assertIn(("in use " * 20).strip(), " ".join(output.split()))
        self.assertNotIn("\x1b", output)

    def test_trouble(self) -> None:
        """The exit status is 1 if a service is not healthy."""
        state = replace(DAEMON, services=(ONE, BAD)).asJSON()
        code, output, _ = self.run_("status", reply=state)
        self.assertEqual(code, 1)
        self.assertIn("8/tcp: in use", output)

    def test_one(self) -> None:
        """One service can be selected by any of its names; only it counts."""
        state = replace(DAEMON, services=(ONE, BAD)).asJSON()
        for word in ("7/tcp", "7"):
            code, output, _ = self.run_("status", word, reply=state)
            self.assertEqual(code, 0, word)
            self.assertNotIn("8/tcp", output)
        self.assertEqual(self.run_("status", "8", reply=state)[0], 1)
        code, _, errors = self.run_("status", "9", reply=state)
        self.assertEqual(code, 1)
        self.assertIn("'9' is not a service (7/tcp, 8/tcp)", errors)

    def test_json(self) -> None:
        """C{--json} prints the daemon's reply."""
        code, output, _ = self.run_("status", "--json", reply=DAEMON.asJSON())
        self.assertEqual((code, json.loads(output)), (0, DAEMON.asJSON()))

    def test_quiet(self) -> None:
        """C{--quiet} prints nothing."""
        state = replace(DAEMON, services=(BAD,)).asJSON()
        self.assertEqual(self.run_("status", "-q", reply=state), (1, "", ""))

    def test_watch(self) -> None:
        """C{--watch} draws repeatedly, also while no daemon answers."""
        drawn: list[Any] = []

        def watch(draw: Any, interval: float, stream: Any) -> None:
            drawn.extend((interval, *(draw(80) for _ in range(2))))

        self.patch(screen, "watch", watch)
        self.client.answers = [DAEMON.asJSON(), NoDaemon("gone")]
        self.assertEqual(self.run_("status", "--watch", "-n", "0.5")[0], 0)
        interval, first, second = drawn
        self.assertEqual((interval, second), (0.5, Page(body=(Line("inetd: gone"),))))
        self.assertIn("SERVICE", first.head[2].text)

    def test_names(self) -> None:
        """C{--names} prints the names only."""
        reply = replace(DAEMON, services=(ONE, replace(ONE, name="8/tcp"))).asJSON()
        self.assertEqual(
            self.run_("status", "--names", reply=reply)[1], "7/tcp\n8/tcp\n"
        )

    def test_order(self) -> None:
        """Options may precede or follow the service."""
        state = replace(DAEMON, services=(ONE, BAD)).asJSON()
        for arguments in (
            ("7", "--quiet", "--control", "/x"),
            ("-q", "--control=/x", "7"),
            ("--control=/x", "7", "-q", "-n", "3"),
            ("--qui", "--contr", "/x", "--", "7"),
        ):
            self.assertEqual(self.run_("status", *arguments, reply=state), (0, "", ""))
        self.assertEqual(self.client.made, [("/x", False)] * 4)

    def test_options(self) -> None:
        """Options that cannot be combined are a usage error."""
        for arguments in (
            ("--watch", "--json"),
            ("--names", "--json"),
            ("--quiet", "--json"),
            ("-w", "-q"),
            ("-n", "0"),
            ("-n", "x"),
            ("a", "b"),
            ("--nix",),
        ):
            code, _, errors = self.run_("status", *arguments)
            self.assertEqual(code, 2, arguments)
            self.assertIn("Try 'inetd status --help'", errors)
        for seconds in ("0", "x", "1e9", "nan"):
            _, _, errors = self.run_("status", "-n", seconds)
            wanted = "--interval takes a number of seconds from 0.1 to 86400, not"
            self.assertIn(f"{wanted} '{seconds}'", errors)

    def test_usage(self) -> None:
        """A missing or an extra argument is a usage error with the synopsis."""
        for words in (("pause",), ("resume", "a", "b"), ("drain", "a")):
            code, _, errors = self.run_(*words)
            self.assertEqual(code, 2, words)
            service = "" if words[0] == "drain" else " SERVICE"
            self.assertIn(f"\nUsage: inetd {words[0]} [options]{service}\n", errors)

    def test_nobody(self) -> None:
        """The exit status is 2 if no daemon answers."""
        self.client.answers = [NoDaemon("no daemon answers")]
        for name in ("status", "health", "reload", "drain"):
            code, _, errors = self.run_(name)
            self.assertEqual((code, errors), (2, "inetd: no daemon answers\n"))

    def test_health(self) -> None:
        """The exit status is the health, and what must be mended is printed."""
        self.assertEqual(self.run_("health", reply=FINE), (0, "", ""))
        trouble = {
            "7/tcp": {"state": "failing", "reason": "exit status 3"},
            "9/tcp": {"state": "paused", "reason": None},
        }
        found = {"healthy": False, "problems": ["a.conf:1:1: x"], "trouble": trouble}
        code, output, _ = self.run_("health", reply={**FINE, **found})
        self.assertEqual(code, 1)
        wanted = "a.conf:1:1: x\n7/tcp: failing, exit status 3\n9/tcp: paused\n"
        self.assertEqual(output, wanted)

    def test_probes(self) -> None:
        """A daemon that drains lives, has no fault, and takes no clients."""
        bad, drains = {**FINE, "healthy": False}, {**FINE, "draining": True}
        said = "the daemon is draining\n"
        for option, reply, wanted in (
            ("--live", bad, (0, "", "")),
            ("--live", drains, (0, "", "")),
            ("--ready", bad, (0, "", "")),
            ("--ready", drains, (1, said, "")),
            (None, drains, (0, said, "")),
        ):
            options = [] if option is None else [option]
            self.assertEqual(self.run_("health", *options, reply=reply), wanted)
        code, _, errors = self.run_("health", "--live", "--ready", reply=FINE)
        self.assertEqual(code, 2)
        self.assertIn("--ready cannot be combined with --live", errors)


class PathTests(CommandTestCase):
    """Tests for the path of the control socket."""

    def test_said(self) -> None:
        """The option precedes the variable, and that the default path."""
        self.patch(os, "environ", {"INETD_CONTROL": "/variable"})
        self.run_("health", "--control", "/option", reply=FINE)
        self.run_("health", reply=FINE)
        self.patch(os, "environ", {"XDG_RUNTIME_DIR": "/run/user/7"})
        self.patch(os, "geteuid", lambda: 7)
        self.run_("health", reply=FINE)
        self.assertEqual(
            self.client.made,
            [
                ("/option", False),
                ("/variable", False),
                ("/run/user/7/inetd/control", True),
            ],
        )

    def test_none(self) -> None:
        """The path C{none} disables the control socket."""
        self.patch(os, "environ", {"INETD_CONTROL": "none"})
        code, _, errors = self.run_("health")
        self.assertEqual((code, self.client.made), (2, []))
        self.assertIn("--control", errors)


class DispatchTests(CommandTestCase):
    """Tests for the first word of C{inetd}."""

    def code(self, *arguments: str) -> Any:
        """Return the exit status of a command line."""
        output = io.StringIO()
        self.patch(sys, "argv", ["inetd", *arguments])
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            return self.assertRaises(SystemExit, entry.main).code

    def test_first(self) -> None:
        """A first word that is a command's name is a command; a path is a file."""
        for name in ("handleSignals", "unblockStreams", "unblockSyslog"):
            self.patch(service, name, lambda *given: None)
        self.client.answers = [DAEMON.asJSON()]
        self.assertEqual(self.code("status"), 0)
        self.assertEqual(len(self.client.asked), 1)
        self.assertEqual(self.code("--check", "./status"), 1)
        self.assertIn("/status:1:1: file", self.code("-f", "./status"))
        self.assertEqual(len(self.client.asked), 1)

    def test_words(self) -> None:
        """Words that are commands elsewhere are answered with what to do."""
        for words, code, text in (
            (("start",), 2, "'inetd FILE' starts a daemon"),
            (("restart", "-x"), 2, "'inetd reload' reads"),
            (("list",), 2, "'inetd status' lists"),
            (("logs",), 2, "journalctl"),
            (("test", "/file"), 2, "'inetd --check FILE' checks"),
            (("help",), 0, "Usage: inetd [options] [FILE"),
            (("help", "drain"), 0, "Usage: inetd drain"),
            (("help", "restart"), 2, "'inetd reload' reads"),
            (("-h",), 0, "Usage: inetd [options] [FILE"),
            (("drain", "-h"), 0, "Usage: inetd drain"),
            (("version",), 0, "inetd (inetdtw)"),
        ):
            output = io.StringIO()
            self.patch(sys, "argv", ["inetd", *words])
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                left = self.assertRaises(SystemExit, entry.main)
            self.assertIn(text, output.getvalue())
            self.assertEqual(left.code, code, words)

    def test_help(self) -> None:
        """Every command has a help and the version."""
        for name in COMMANDS:
            for option in ("-h", "--help", "--version"):
                output = io.StringIO()
                with contextlib.redirect_stdout(output):
                    left = self.assertRaises(SystemExit, operate.main, name, [option])
                self.assertIn(left.code, (0, None))
                self.assertIn("inetd", output.getvalue())
                if option != "--version":
                    self.assertIn(f"inetd {name}", output.getvalue())
                    self.assertIn("exit status is 0", output.getvalue())
