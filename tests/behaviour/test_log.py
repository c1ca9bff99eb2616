# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The log, as an operator and as a machine reads it."""

from __future__ import annotations

import json
import re
import signal
from typing import Any

from tests.support import users
from tests.support.daemon import Daemon, eventually, freePort, talk, twistd
from tests.support.serving import ServingTestCase, inetd, readAll

_LINE = re.compile(r"\[inetdtw#(\w+)\] (.*)")


class LogTestCase(ServingTestCase):
    """A test case with a service that fails, and one that does not."""

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.good, self.bad = freePort(), freePort()
        self.file = self.write(
            "inetd.conf",
            f"{self.good} stream tcp nowait - /bin/cat cat\n"
            f"{self.bad} stream tcp nowait.1 - /bin/sh sh -c 'exit 3'\n",
        )

    def lines(self, *options: str) -> str:
        """Return the log after both services were used, one over its limit."""
        argv = inetd("-fe", *options, self.file)
        with Daemon(argv, ports=(self.good, self.bad)) as daemon:
            talk(self.good, b"")
            talk(self.bad, b"")
            daemon.process.send_signal(signal.SIGHUP)
            # It is closed once that is logged.
            self.assertEqual(readAll(self.connect(self.bad)), b"")
            if "--log-level" not in options:
                daemon.waitForLog("reload")
            eventually(lambda: self.isIdle(daemon), daemon.log)
            return daemon.log()

    def isIdle(self, daemon: Daemon) -> bool:
        """Return whether the daemon reports that no program runs."""
        seen = daemon.log().count(" running=")
        daemon.process.send_signal(signal.SIGUSR2)
        daemon.waitForLog(" running=", seen + 2)
        return re.findall(r" running=(\d+)", daemon.log())[-2:] == ["0", "0"]


class TextTests(LogTestCase):
    """Tests for C{--log-level} and C{--log-addresses}."""

    def words(self, *options: str) -> set[str]:
        """Return the first words of all lines of the superserver."""
        return {text.split()[0] for _, text in _LINE.findall(self.lines(*options))}

    def test_levels(self) -> None:
        """Each level logs more than the one below; the state is logged on request."""
        error = {"state"}
        warn = {*error, "exit", "refuse", "pause"}
        notice = {*warn, "listen", "reload"}
        self.assertEqual(self.words("--log-level", "error") - {"close"}, error)
        self.assertEqual(self.words("--log-level", "warn") - {"close"}, warn)
        self.assertEqual(self.words() - {"close"}, notice)
        info = self.lines("-l")
        self.assertIn(f"start {self.good}/tcp pid=", info)
        self.assertIn("status=0", info)
        self.assertIn("status=3", info)

    def test_grammar(self) -> None:
        """
        A line has event, service and C{name=value} pairs (item 96).

        Only the last value may have whitespace; the client is named where one exists.
        """
        line = re.compile(r"([a-z-]+) [^ =]+( [a-z]+=[^ ]+)*( (reason|text)=.*)?")
        found: dict[str, str] = {}
        for _, text in _LINE.findall(self.lines("-l")):
            match = line.fullmatch(text)
            assert match is not None, text
            found[match[1]] = text
        for word in ("start", "exit", "refuse", "pause"):
            self.assertIn(" peer=", found[word])
        for word in ("start", "exit", "refuse", "pause"):
            self.assertTrue(found[word].split()[1].endswith("/tcp"), found[word])
        self.assertIn(" pid=", found["start"])
        ended = r" pid=\d+ peer=\S+ status=\d+ seconds=[\d.]+ cpu=[\d.]+$"
        self.assertRegex(found["exit"], ended)
        self.assertIn("reload - kept=2 ", found["reload"])

    def test_addresses(self) -> None:
        """Addresses of clients can be cut or left out, on every line (item 97)."""
        full = self.lines("-l")
        self.assertIn("peer=127.0.0.1:", full)
        prefix = self.lines("-l", "--log-addresses", "prefix")
        self.assertIn("peer=127.0.0.0/24", prefix)
        none = self.lines("-l", "--log-addresses", "none")
        self.assertIn("peer=-", none)
        for text in (prefix, none):
            self.assertNotIn("127.0.0.1", text)

    def test_state(self) -> None:
        """USR2 has the state of every service logged, with why it takes no clients."""
        text = self.lines()
        self.assertIn(
            f"state {self.good}/tcp address=0.0.0.0:{self.good} started=1 "
            "warm=0 refused=0 failed=0 running=0 pauses=-\n",
            text,
        )
        self.assertIn(
            f"state {self.bad}/tcp address=0.0.0.0:{self.bad} started=1 "
            "warm=0 refused=1 failed=0 running=0 pauses=rate\n",
            text,
        )

    def test_twistd(self) -> None:
        """C{twistd inetd} has the same options."""
        options = ("--log-level", "info", "--log-addresses", "none")
        argv = twistd("inetd", *options, self.file)
        with Daemon(argv, ports=(self.good, self.bad)) as daemon:
            talk(self.good, b"")
            daemon.waitForLog(f"exit {self.good}/tcp")
            self.assertIn("peer=- status=0", daemon.log())


class JSONTests(LogTestCase):
    """Tests for C{--log-format json}."""

    def parsed(self, text: str) -> list[dict[str, Any]]:
        """Every line as an object."""
        return [json.loads(line) for line in text.splitlines()]

    def test_lines(self) -> None:
        """Every line is JSON, with the values of each kind in members."""
        events = self.parsed(self.lines("-l", "--log-format", "json"))
        (end,) = (each for each in events if each.get("status") == 3)
        self.assertEqual((end["event"], end["service"]), ("exit", f"{self.bad}/tcp"))
        self.assertIsInstance(end["pid"], int)
        self.assertIsInstance(end["seconds"], float)
        self.assertEqual(end["level"], "warn")
        self.assertIn("log", {each["event"] for each in events})

    def test_twistd(self) -> None:
        """C{twistd} takes the observer by its name."""
        argv = twistd(
            "--logger", "inetdtw.log.observers.standardOutput", "inetd", self.file
        )
        with Daemon(argv, ports=(self.good, self.bad)) as daemon:
            daemon.waitForLog('"event": "listen"', 2)
            self.parsed(daemon.log())


class InternalTests(ServingTestCase):
    """Tests for the lines of services that the daemon itself provides."""

    def test_reflector(self) -> None:
        """A rejected request draws a line with the service's name (item 60)."""
        if not users.ROOT:
            self.skipTest("only root can send from a port that is refused")
        port = freePort()
        conf = f"{port} dgram udp wait - internal echo\n"
        options = ("--log-addresses", "prefix")
        with self.daemon(conf, port, options=options) as daemon:
            other = self.datagrams(host="127.0.0.9", port=19)
            other.sendto(b"x", ("127.0.0.1", port))
            daemon.waitForLog(f"refuse {port}/udp peer=127.0.0.0/24 reason=source port")
