# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Ends and replacements of a warm process."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import Any

from tests.support import interpreters
from tests.support.daemon import (
    Daemon,
    eventually,
    freePort,
    talk,
)
from tests.support.serving import readAll
from tests.support.warmservice import LOWER, WarmTestCase, events, starts


class LifeTests(WarmTestCase):
    """Ends and replacements of a warm process."""

    def serve(self, **keys: Any) -> Daemon:
        """Serve lines in lower case."""
        script = self.write("lower.py", LOWER)
        return self.warm(self.definition(f"{interpreters.python()} {script}", **keys))

    def answer(self, text: bytes = b"HELLO\n") -> list[str]:
        """Connect, and return pid, parent, user and the answer."""
        return talk(self.port, text).decode().split()

    def test_killed(self) -> None:
        """
        A process that is killed under load loses no client.

        It is replaced, with backoff.
        """
        for keys in ({}, {"accept_max": "50"}):
            self.port = freePort()
            daemon = self.serve(**keys)
            failures: list[object] = []
            done = threading.Event()

            def load(failures: list[object] = failures, done: Any = done) -> None:
                while not done.is_set():
                    try:
                        answer = self.answer()
                    except OSError as why:
                        failures.append(why)
                        continue
                    if answer[3:] != ["hello"]:
                        failures.append(answer)

            threads = [threading.Thread(target=load) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                for number in range(1, 5):
                    pid = int(events(daemon, "ready")[-1][0])
                    daemon.waitForLog("start=", len(starts(daemon)) + 20)
                    os.kill(pid, signal.SIGKILL)
                    daemon.waitForLog("warm-ready ", number + 1)
            finally:
                done.set()
                for thread in threads:
                    thread.join()
            # One that was just being accepted can be lost with the process.
            self.assertLessEqual(len(failures), 0 if keys else 4, failures)
            pauses = [rest.split()[0] for _, rest in events(daemon, "exit")]
            self.assertEqual(pauses[:3], ["retry=0.05", "retry=0.1", "retry=0.2"])
            self.assertIn("signal=9", daemon.log())

    def test_coldMeanwhile(self) -> None:
        """Without a warm process, clients are served cold."""
        daemon = self.serve()
        for _ in range(4):
            ready = len(events(daemon, "ready"))
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(events(daemon, "ready")[-1][0]), signal.SIGKILL)
            self.assertEqual(self.answer()[3:], ["hello"])
            daemon.waitForLog("warm-ready ", ready + 1)
        self.assertIn("cold", starts(daemon))

    def test_orphans(self) -> None:
        """The programs of a killed process continue, and their exits are logged."""
        daemon = self.serve()
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        pid, parent = client.recv(100).split()[:2]
        os.kill(int(parent), signal.SIGKILL)
        daemon.waitForLog("warm-ready ", 2)
        client.sendall(b"TWO\n")
        self.assertEqual(client.recv(100).split()[0], pid)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"")
        daemon.waitForLog(f"pid={pid.decode()} peer=127.0.0.1:", 2)

    def test_hangup(self) -> None:
        """
        SIGHUP replaces it at once, without a cold start.

        Clients that are being served are not affected.
        """
        daemon = self.serve()
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        first = client.recv(100).split()[1]
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("warm-ready ", 2)
        self.assertNotEqual(self.answer()[1].encode(), first)
        client.sendall(b"TWO\n")
        self.assertEqual(client.recv(100).split()[1], first)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"")
        eventually(lambda: not _alive(int(first)), daemon.log)
        daemon.waitForLog("] start ", 2)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_limitedTime(self) -> None:
        """The CPU time limit is for each program, and never ends the process."""
        script = self.write(
            "burn.py",
            "import resource, sys\n"
            "for line in sys.stdin: pass\n"
            "print(resource.getrlimit(resource.RLIMIT_CPU))\n"
            "sys.stdout.flush()\n"
            "if line == 'burn\\n':\n"
            "    while True: pass\n",
        )
        conf = self.definition(f"{interpreters.python()} {script}", rlimit_cpu="1:2")
        daemon = self.warm(conf)
        self.assertEqual(talk(self.port, b"no\n"), b"(1, 2)\n")
        self.assertEqual(talk(self.port, b"burn\n"), b"(1, 2)\n")
        daemon.waitForLog(f"signal={int(signal.SIGXCPU)}")
        self.assertEqual(talk(self.port, b"no\n"), b"(1, 2)\n")
        self.assertEqual(events(daemon, "exit"), [])

    def test_fewFiles(self) -> None:
        """A service may have very few descriptors."""
        script = self.write("lower.py", LOWER)
        daemon = self.warm(
            self.definition(f"{interpreters.python()} {script}", rlimit_files=16)
        )
        self.assertEqual(self.answer()[3:], ["hello"])
        self.assertStarted(daemon, "warm")

    def test_stopped(self) -> None:
        """When the daemon stops, the process exits, and its programs continue."""
        daemon = self.serve()
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        _, parent = client.recv(100).split()[:2]
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait()
        eventually(lambda: not _alive(int(parent)), daemon.log)
        client.sendall(b"TWO\n")
        self.assertTrue(client.recv(100).endswith(b" two\n"))


def _alive(pid: int) -> bool:
    """Return whether a process is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
