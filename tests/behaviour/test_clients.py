# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{inetd clients}: who is served now."""

from __future__ import annotations

import json
import os
import pwd
import signal
import socket
import time
from typing import Any

from tests.support.control import ControlTestCase
from tests.support.daemon import eventually, freePort

#: A program that prints its process id, and serves until its client disconnects.
PID = "/bin/sh sh -c 'echo $$; exec cat'"
HEADINGS = ["SERVICE", "PID", "PEER", "USER", "SINCE", "HOW"]
#: A warm one.
WARM = """\
import os, sys
print(os.getpid(), flush=True)
sys.stdin.read()
"""


class ClientsTests(ControlTestCase):
    """Tests for C{inetd clients}."""

    def clients(self, *service: str) -> list[dict[str, Any]]:
        """Return the clients of one service, or of all."""
        code, text = self.run_("clients", "--json", *service)
        self.assertEqual(code, 0, text)
        found: list[dict[str, Any]] = json.loads(text)["clients"]
        return found

    def served(self, port: int) -> tuple[socket.socket, str, int]:
        """Return a client, its address, and the process id of its program."""
        client = self.connect(port)
        pid = int(client.makefile().readline())
        return client, "{}:{}".format(*client.getsockname()), pid

    def test_ways(self) -> None:
        """The list has each client, whatever starts the programs, until it leaves."""
        ports = [freePort() for _ in range(4)]
        script = self.write("warm.py", WARM)
        lines = (
            f"127.0.0.1:{ports[0]} stream tcp nowait - {PID}",
            f"127.0.0.1:{ports[1]} stream tcp nowait/3 - {PID}",
            f"127.0.0.1:{ports[2]} on protocol = tcp, wait = no, user = -, "
            f"launch = direct, exec = /bin/sh, args = sh -c 'echo $$; exec cat';",
            f"127.0.0.1:{ports[3]} on protocol = tcp, wait = no, user = -, warm = yes, "
            f"exec = {os.path.realpath('/proc/self/exe')}, args = python {script};",
        )
        self.conf += "".join(f"{line}\n" for line in lines)
        begin = time.time()
        self.log = self.start().log
        ways = ("fork server", "fork server", "direct", "warm")
        clients = []
        for port, how in zip(ports, ways):
            if how == "warm":
                self.becomes(port, "ready", True)
            client, peer, pid = self.served(port)
            clients.append(client)
            self.becomes(port, "running", 1)
            (state,) = self.clients(str(port))
            since = state.pop("since")
            self.assertTrue(begin - 1 <= since <= time.time() + 1, (begin, since))
            self.assertEqual(
                state,
                {
                    "service": f"{port}/tcp",
                    "pid": pid,
                    "peer": peer,
                    "user": None,
                    "how": how,
                },
            )
        self.assertEqual([each["how"] for each in self.clients()], list(ways))
        for client in clients:
            client.close()
        eventually(lambda: self.clients() == [], self.log)

    def test_others(self) -> None:
        """Internal services and programs with the socket are in the list too."""
        echo, wait = freePort(), freePort()
        self.conf += (
            f"127.0.0.1:{echo} stream tcp nowait - internal echo\n"
            f"127.0.0.1:{wait} stream tcp wait - /bin/sleep sleep 60\n"
        )
        self.log = self.start().log
        first, _ = self.connect(echo), self.connect(wait)
        eventually(lambda: len(self.clients()) == 2, self.log)
        by = {each["service"]: each for each in self.clients()}
        state = by[f"{echo}/tcp"]
        self.assertEqual((state["how"], state["pid"]), ("internal", None))
        self.assertEqual(state["peer"], "{}:{}".format(*first.getsockname()))
        state = by[f"{wait}/tcp"]
        self.assertEqual((state["how"], state["peer"]), ("fork server", None))
        first.close()
        eventually(lambda: len(self.clients()) == 1, self.log)
        self.assertEqual(self.run_("pause", str(wait))[0], 0)
        os.kill(state["pid"], signal.SIGTERM)
        eventually(lambda: self.clients() == [], self.log)

    def test_table(self) -> None:
        """The table has a row for each client of a service that is still served."""
        self.start()
        client = self.connect(self.cat)
        self.becomes(self.cat, "running", 1)
        code, text = self.run_("clients", str(self.cat))
        heading, row = text.splitlines()
        self.assertEqual(heading.split(), HEADINGS)
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.assertRegex(row, rf" {user} +\d\d:\d\d:\d\d fork server$")
        self.assertEqual(len(self.run_("clients", str(self.bad))[1].splitlines()), 1)
        self.conf = self.conf.split("\n", 1)[1]
        self.write("inetd.conf", self.conf)
        self.assertEqual(self.run_("reload")[0], 0)
        self.assertEqual(len(self.run_("clients")[1].splitlines()), 2)
        client.close()
        code, text = self.run_("clients", "no-such")
        self.assertEqual(code, 1)
        self.assertIn("'no-such' is not a service", text)
