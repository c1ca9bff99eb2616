# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Commands for the operator."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

from tests.support.daemon import (
    DEADLINE,
    environment,
    eventually,
    freePort,
    isServed,
    talk,
)
from tests.support.serving import inetd, readAll, run

if TYPE_CHECKING:
    from collections.abc import Iterator
from tests.support.control import CAT, ControlTestCase


class OperatorTests(ControlTestCase):
    """Commands of an operator."""

    def test_figures(self) -> None:
        """
        C{inetd status} has all states and counts, and exits by their health.

        The same is available in JSON, over HTTP, and as a probe.
        """
        daemon = self.start()
        code, text = self.run_("status")
        self.assertEqual(code, 0, text)
        self.assertIn("3 listening", text)
        self.assertEqual(self.run_("health"), (0, ""))
        talk(self.bad, b"")
        self.becomes(self.bad, "last_exit", {"status": 3, "signal": None})
        readAll(self.connect(self.bad))
        self.becomes(self.bad, "refused", 1)
        clients = [self.connect(self.cat) for _ in range(2)]
        self.becomes(self.cat, "running", 2)
        waits = self.connect(self.cat)
        self.becomes(self.cat, "state", "at limit")
        with self.datagrams() as client:
            client.sendto(b"x", ("127.0.0.1", self.udp))
            client.recv(9)
        code, text = self.run_("status")
        self.assertEqual(code, 0, text)
        self.assertRows(text)
        self.assertEqual(self.run_("status", str(self.udp), "-q"), (0, ""))
        code, text = self.run_("status", "--json")
        decoded = json.loads(text)
        self.assertEqual((code, decoded["pid"]), (0, daemon.process.pid))
        self.assertEqual(self.ask("GET", "/health")[0], 200)
        for client in (*clients, waits):
            client.close()
        self.becomes(self.cat, "running", 0)
        self.becomes(self.cat, "exited", 3)

    def assertRows(self, table: str) -> None:
        """Assert that a table has a service at its limit, a paused and a good one."""
        rows = {
            row[0].rpartition(":")[2]: row
            for row in map(str.split, table.split("\n"))
            if row
        }
        row = rows[f"{self.cat}/tcp"]
        self.assertEqual(row[1], f"127.0.0.1:{self.cat}")
        self.assertEqual(row[2:7], ["at", "limit", "2/2", "2", "0"])
        row = rows[f"{self.bad}/tcp"]
        self.assertEqual(row[2:8], ["paused", "0/-", "1", "1", "0", "-"])
        self.assertEqual(row[8], "3")
        self.assertRegex(row[9], r"\d\.\d\ds")
        row = rows[f"{self.udp}/udp"]
        self.assertEqual(row[2:6], ["listening", "0/-", "1", "0"])

    def test_pause(self) -> None:
        """
        Clients of a paused service wait until it is resumed, also over reloads.

        The pause of a rate limit can be ended as well.
        """
        daemon = self.start()
        name = f"127.0.0.1:{self.cat}"
        code, text = self.run_("pause", f"{self.cat}/tcp")
        self.assertEqual((code, "paused" in text), (0, True), text)
        client = self.connect(self.cat)
        client.sendall(b"hello")
        for nowait in ("nowait/3", "nowait"):
            self.write("inetd.conf", self.conf.replace("nowait/2", nowait))
            code, text = self.run_("reload")
            self.assertEqual(code, 0, text)
            self.assertIn(f"changed: {self.cat}/tcp", text)
        self.assertEqual(self.named(f"{self.cat}/tcp")["state"], "paused")
        self.assertFalse(select.select([client], [], [], 0)[0])
        self.assertEqual(self.run_("resume", name)[0], 0)
        self.assertEqual(client.recv(9), b"hello")
        talk(self.bad, b"")
        readAll(self.connect(self.bad))
        self.becomes(self.bad, "state", "paused")
        self.assertEqual(self.run_("resume", f"127.0.0.1:{self.bad}")[0], 0)
        talk(self.bad, b"")
        daemon.waitForLog("resume")

    def test_names(self) -> None:
        """For an unknown service the command prints the known ones."""
        self.start()
        for command in ("pause", "resume", "status"):
            code, text = self.run_(command, "nix")
            self.assertEqual(code, 1, text)
            self.assertIn(f"'nix' is not a service ({self.cat}/tcp", text)
        self.assertEqual(self.run_("pause")[0], 2)

    def test_noText(self) -> None:
        """A name that is not UTF-8 is the name of no service."""
        self.start()
        for name in ("pause", "resume"):
            code, output = self.run_(name, "\udcff")
            self.assertEqual(code, 1)
            self.assertIn("inetd: '\\xff' is not a service (", output)
        self.assertEqual(self.run_("status", "\udcff")[0], 1)

    def test_unprinted(self) -> None:
        """A command is carried out even if its output fails, which is an error."""
        self.start()
        wanted = "inetd: write error: No space left on device\n"
        for name, to, code in (
            ("pause", "/dev/full", 1),
            ("resume", "&-", 0),
            ("pause", "&-", 0),
            ("resume", "/dev/full", 1),
        ):
            argv = inetd(name, str(self.cat), "--control", self.socket)
            done = run(["/bin/sh", "-c", f'exec "$@" >{to}', "sh", *argv])
            found = (done.returncode, done.stderr)
            self.assertEqual(found, (code, wanted if code else ""), (name, to))
            held = self.states()[f"{self.cat}/tcp"]["pauses"]
            self.assertEqual(bool(held), name == "pause")

    if not os.path.exists("/dev/full"):
        test_unprinted.skip = "/dev/full is missing"  # type: ignore[attr-defined]

    def test_reload(self) -> None:
        """
        C{inetd reload} prints the changes.

        For a broken file it prints the errors, changes nothing, and exits with 1.
        """
        self.start()
        more = freePort()
        self.write("inetd.conf", f"{self.conf}127.0.0.1:{more} {CAT}\n")
        code, text = self.run_("reload")
        self.assertEqual(code, 0, text)
        self.assertIn(f"started: {more}/tcp\n3 unchanged", text)
        self.assertEqual(talk(more, b"x"), b"x")
        path = self.write("inetd.conf", f"{self.conf}7 steam tcp nowait - x\n")
        code, text = self.run_("reload")
        self.assertEqual(code, 1, text)
        self.assertIn(f"{path}:4:3: socktype: 'steam'", text)
        self.assertIn("    7 steam tcp nowait - x\n      ^\n", text)
        self.assertIn("the old one stays", text)
        self.assertEqual(talk(more, b"x"), b"x")

    def drains(self) -> subprocess.Popen[str]:
        """Wait for the end of a drain in another process."""
        waiter = subprocess.Popen(
            inetd("drain", "--wait", "60", "--control", self.socket),
            env=environment(),
            cwd="/",
            stdout=subprocess.PIPE,
            text=True,
        )
        assert waiter.stdout is not None
        self.addCleanup(waiter.stdout.close)
        self.addCleanup(waiter.kill)
        self.assertIn("running programs: 1", waiter.stdout.readline())
        return waiter

    def test_drain(self) -> None:
        """
        A drain refuses clients at once, lets programs end, and exits with 0.

        Nothing is left of the socket.
        """
        daemon = self.start()
        client = self.connect(self.cat)
        client.sendall(b"1")
        self.assertEqual(client.recv(9), b"1")
        code, text = self.run_("drain")
        self.assertEqual(code, 0)
        self.assertIn("running programs: 1", text)
        # A fork server that accepts there is notified a moment later.
        eventually(lambda: not isServed(self.cat), daemon.log)
        with self.assertRaises(ConnectionRefusedError):
            self.connect(self.cat)
        code, text = self.run_("status")
        self.assertEqual(code, 0, text)
        self.assertIn("draining: exits when no program runs; running: 1", text)
        self.assertEqual(self.run_("reload")[0], 1)
        self.assertEqual(self.run_("pause", str(self.cat))[0], 1)
        waiter = self.drains()
        client.sendall(b"2")
        self.assertEqual(client.recv(9), b"2")
        client.close()
        self.assertEqual(waiter.wait(DEADLINE), 0)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertFalse(os.path.exists(self.socket))
        code, text = self.run_("health")
        self.assertEqual(code, 2)
        self.assertIn(f"no daemon answers at '{self.socket}'", text)

    def test_drainTime(self) -> None:
        """C{inetd drain --wait} gives up after its time; the daemon still drains."""
        daemon = self.start()
        client = self.connect(self.cat)
        client.sendall(b"1")
        self.assertEqual(client.recv(9), b"1")
        code, text = self.run_("drain", "--wait", "0.1")
        self.assertEqual(code, 1)
        self.assertIn("the daemon still drains; running programs: 1", text)
        client.close()
        self.assertEqual(daemon.process.wait(DEADLINE), 0)

    def test_stop(self) -> None:
        """
        C{inetd stop} ends the daemon that C{inetd status} shows, as SIGTERM does.

        Its programs continue; another daemon can take its place at once.
        """
        daemon = self.start("-p", self.path("pid"))
        client = self.connect(self.cat)
        client.sendall(b"1")
        self.assertEqual(client.recv(9), b"1")
        pid = daemon.process.pid
        self.assertEqual(self.run_("stop"), (0, f"stopped: pid {pid}\n"))
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        client.sendall(b"2")
        self.assertEqual(client.recv(9), b"2")
        self.assertFalse(os.path.exists(self.path("pid")))
        self.assertEqual(self.run_("stop")[0], 2)
        self.start("-p", self.path("pid"))
        self.assertEqual(self.run_("health"), (0, ""))

    def test_words(self) -> None:
        """Words that are commands elsewhere do not start a daemon."""
        for word in ("start", "restart", "list", "logs", "test"):
            code, text = self.run_(word)
            self.assertEqual(code, 2)
            self.assertIn(f"'{word}' is not a command: ", text)

    def test_bindFailed(self) -> None:
        """
        A service whose port is taken has the reason and the time of the retry.

        C{resume} retries at once.
        """
        daemon = self.start()
        port = freePort()
        with socket.create_server(("127.0.0.1", port)):
            self.write("inetd.conf", f"{self.conf}127.0.0.1:{port} {CAT}\n")
            self.run_("reload")
            code, text = self.run_("status", f"127.0.0.1:{port}")
            self.assertEqual(code, 1)
            self.assertIn(" bind failed ", text)
            self.assertRegex(text, r"Address already in use; next try \d\d:\d\d:\d\d")
        self.run_("resume", f"127.0.0.1:{port}")
        self.assertEqual(talk(port, b"x"), b"x")
        self.assertNotIn("Traceback", daemon.log())


class WatchTests(ControlTestCase):
    """Tests for C{inetd status --watch}."""

    def watching(self) -> Iterator[str]:
        """
        Run it on a terminal of 80 columns.

        @return: what the terminal has got until now, again and again; after the first
            time it was asked to end, to the end.
        """
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            inetd("status", "--watch", "-n", "0.1", "--control", self.socket),
            env=environment(COLUMNS="80", LINES="24"),
            cwd="/",
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        text = ""
        try:
            while True:
                try:
                    text += os.read(ours, 65536).decode()
                except OSError:
                    break
                if (yield text) == "stop":
                    process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(DEADLINE), 0)
            yield text
        finally:
            process.kill()
            process.wait()
            os.close(ours)

    def test_terminal(self) -> None:
        """
        On a terminal the table is refreshed in place, until Ctrl-C.

        It fits into the width, goes on when the daemon ends, and restores the terminal.
        """
        daemon = self.start()
        watching: Any = self.watching()
        self.addCleanup(watching.close)
        client = self.connect(self.cat)
        for wanted in (" 1/2 ", " 0/2 ", "no daemon answers"):
            deadline = time.monotonic() + DEADLINE
            for text in watching:
                if wanted in text.split("\x1b[H")[-1]:
                    break
                self.assertLess(time.monotonic(), deadline, text)
            if wanted == " 1/2 ":
                client.close()
            if wanted == " 0/2 ":
                daemon.process.send_signal(signal.SIGTERM)
        text = [watching.send("stop"), *watching][-1]
        self.assertTrue(text.startswith("\x1b[?1049h\x1b[?25l"))
        self.assertTrue(text.endswith("\x1b[?25h\x1b[?1049l"))
        screens = re.sub("\x1b\\[[?0-9]*[a-zA-Z]", "", text.replace("\x1b[H", "\n"))
        self.assertLessEqual(max(map(len, screens.splitlines())), 80)

    def test_pipe(self) -> None:
        """
        Elsewhere tables follow each other without control characters.

        The command ends on a signal, or when its output is not read any more.
        """
        self.start()
        argv = inetd("status", "-w", "-n", "0.1", "--control", self.socket)
        for end in ("signal", "pipe"):
            process = subprocess.Popen(
                argv, env=environment(), cwd="/", stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            heads = 0
            for line in process.stdout:
                self.assertNotIn("\x1b", line)
                heads += line.startswith("SERVICE")
                if heads == 3:
                    break
            if end == "signal":
                process.send_signal(signal.SIGINT)
                process.stdout.read()
            process.stdout.close()
            code = process.wait(DEADLINE)
            self.assertEqual(code, 0 if end == "signal" else 1)
