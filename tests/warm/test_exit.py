# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A warm start ends as a cold start does, whatever the script does.

What the client gets, the exit status and files are the same, with every interpreter.
"""

from __future__ import annotations

import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.support.daemon import DEADLINE, Daemon, environment, freePort
from tests.support.interpreters import pythons
from tests.support.serving import ServingTestCase
from tests.support.warmscripts import MODULE, SCRIPTS, SENT

#: What is different each time; and a warm script can have one call less on its stack.
_OWN = re.compile(
    rb"0x[0-9a-f]+|Thread-\d+|pid=\d+|tmp\w{8}|process \d+|\d+ more times"
)
_END = re.compile(r"exit (\d+/tcp pid)=\d+ (peer=127.0.0.1:\d+) (\S+)")
#: How many scripts run at the same time, each of them twice.
LANES = 3


class Outcome(NamedTuple):
    """
    The outcome of a script.

    @ivar name: the service's name and the client's, as the log has them.
    @ivar got: what the client gets.
    @ivar left: the contents of the file that it writes, if it does.
    """

    name: tuple[str, str]
    got: bytes
    left: str | None


class Served(NamedTuple):
    """A service whose script changes each time."""

    port: int
    directory: str


class EndsTests(ServingTestCase):
    """Serve one script warm and cold, and have it be another each time."""

    def served(self, name: str) -> Served:
        """Make a directory, and choose a port."""
        os.mkdir(self.path(name), 0o755)
        self.write(f"{name}/opener.py", MODULE)
        self.write(f"{name}/script.py", "")
        return Served(freePort(), self.path(name))

    def line(self, served: Served, python: str, args: str, warm: bool) -> str:
        """Return the definition of a service."""
        return (
            f"127.0.0.1:{served.port} on protocol = tcp, wait = no, user = -, "
            f"warm = {'yes' if warm else 'no'}, directory = {served.directory}, "
            f"exec = {python}, args = {python} {args};\n"
        )

    def compare(self, python: str, args: str) -> None:
        """Run all scripts warm and cold."""
        lanes = [
            (self.served(f"warm{number}"), self.served(f"cold{number}"))
            for number in range(LANES)
        ]
        conf = "".join(
            self.line(served, python, args, not index)
            for lane in lanes
            for index, served in enumerate(lane)
        )
        env = environment()
        for name in ("PYTHONPATH", "PYTHONUNBUFFERED"):
            env.pop(name, None)
        ports = [served.port for lane in lanes for served in lane]
        options = ("--log-level", "info")
        with self.daemon(conf, *ports, options=options, env=env) as daemon:
            daemon.waitForLog("warm-ready ", LANES)
            self.judge(daemon, lanes)

    def judge(self, daemon: Daemon, lanes: list[tuple[Served, Served]]) -> None:
        """Run all scripts, and check that nothing differs."""
        names = [list(SCRIPTS)[number::LANES] for number in range(LANES)]
        with ThreadPoolExecutor(LANES) as threads:
            found = threads.map(self.outcomes, lanes, names)
            outcomes = [each for lane in found for each in lane]
        self.assertEqual(len(outcomes), len(SCRIPTS))
        daemon.waitForLog("] exit ", 2 * len(SCRIPTS))
        # A client may have a port that one before it had: their ends are in order.
        ends: dict[tuple[str, str], list[str]] = {}
        for *name, how in _END.findall(daemon.log()):
            ends.setdefault((name[0], name[1]), []).append(how)
        different = []
        for script, warm, cold in outcomes:
            one = (*warm[1:], ends[warm.name].pop(0))
            other = (*cold[1:], ends[cold.name].pop(0))
            if one != other:
                different.append(f"{script}: warm {one} cold {other}")
        self.assertEqual(different, [])
        # All but those that cannot be compiled.
        self.assertGreater(daemon.log().count("start=warm"), len(SCRIPTS) - 10)

    def outcomes(
        self, lane: tuple[Served, Served], names: list[str]
    ) -> list[tuple[str, Outcome, Outcome]]:
        """Return what comes of each script, warm and cold."""
        found = []
        for name in names:
            clients = [self.begin(served, name) for served in lane]
            warm, cold = map(self.end, clients, lane)
            found.append((name, warm, cold))
        return found

    def begin(self, served: Served, name: str) -> socket.socket:
        """Connect to a script."""
        for file in ("script.py", "out.txt"):
            path = os.path.join(served.directory, file)
            if os.path.exists(path):
                os.remove(path)
        with open(os.path.join(served.directory, "script.py"), "w") as script:
            script.write(SCRIPTS[name])
        address = ("127.0.0.1", served.port)
        client = socket.create_connection(address, timeout=DEADLINE)
        client.sendall(SENT.get(name, b""))
        client.shutdown(socket.SHUT_WR)
        return client

    def end(self, client: socket.socket, served: Served) -> Outcome:
        """Wait until the program has no more output."""
        with client:
            peer = f"peer=127.0.0.1:{client.getsockname()[1]}"
            got = b"".join(iter(lambda: client.recv(65536), b""))
        got = _OWN.sub(b"", got).replace(served.directory.encode(), b"DIRECTORY")
        name = (f"{served.port}/tcp pid", peer)
        path = os.path.join(served.directory, "out.txt")
        if not os.path.exists(path):
            return Outcome(name, got, None)
        with open(path) as file:
            return Outcome(name, got, file.read())


def _addTests() -> None:
    """
    Add a test for each interpreter.

    C{-m}, which leaves most to the standard library, only with the first and the last.
    """
    versions = pythons()
    for version, python in versions.items():
        forms = {"Script": "script.py x"}
        if version in (min(versions, key=_number), max(versions, key=_number)):
            forms["Module"] = "-m script"
        for form, args in forms.items():

            def test(self: EndsTests, python: str = python, args: str = args) -> None:
                self.compare(python, args)

            test.__doc__ = f"{form} with CPython {version}: every end is the same."
            setattr(EndsTests, f"test_{version.replace('.', '_')}{form}", test)


def _number(version: str) -> int:
    """Return a version as a number: 3.9 is before 3.10."""
    return int(version.rpartition(".")[2])


_addTests()
