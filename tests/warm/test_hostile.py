# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Limits to what a warm process, and code that controls it, can do."""

from __future__ import annotations

import os
import signal
import socket
import threading

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    STALE,
    STARTED,
    WITHDRAWN,
)
from tests.support import interpreters
from tests.support.daemon import eventually, freePort, isServed, talk, talkOrNothing
from tests.support.serving import readAll
from tests.support.warmservice import LOWER, WarmTestCase, events, starts

#: Leaves behind a process that has the channel to the daemon, and sends any reports
#: as long as a process listens.
EVIL = """
import itertools, os, random, socket, stat, struct
REPORT = struct.Struct("=BxxxIiiQ8x")

def rant(channel):
    daemon = int(open("daemon").read())
    pids = [0, -1, 1, daemon, os.getpid(), 2 ** 31 - 1, -2 ** 31]
    for _ in range(20000):
        packet = b""
        for _ in range(random.randrange(1, 100)):
            number = random.choice([0, 1, 2, 3, 4, 5, 2 ** 32 - 1])
            value = random.choice([0, 1, 9, 127, -1, 2 ** 31 - 1])
            kind = random.randrange(256) if random.random() < 0.1 else KIND
            pid = random.choice(pids + [random.randrange(1, 2 ** 22)])
            packet += REPORT.pack(kind, number, pid, value, 2 ** 64 - 1)
        packet = packet[: random.choice([1, 32, 65536])]
        channel.send(packet + b"x" * random.choice([0, 200]))

for fd in range(3, 1024):
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            continue
    except OSError:
        continue
    channel = socket.socket(fileno=fd)
    if channel.type & 0xF == socket.SOCK_SEQPACKET and not os.fork():
        try:
            channel.setblocking(True)
            rant(channel)
        except OSError:
            pass
        finally:
            os._exit(0)
    channel.detach()
"""


class ForgedTests(WarmTestCase):
    """A warm process that sends forged reports, as its user can make it do."""

    def test_forged(self) -> None:
        """
        Forged reports harm no process of others, and the daemon lives on.

        Other services are served, and so is this one, if only cold.
        """
        other = freePort()
        good = self.definition(
            f"{interpreters.python()} {self.write('lower.py', LOWER)}",
            service=f"127.0.0.1:{other}",
        )
        conf, ports = good, [other]
        for kind in (STARTED, ENDED, ACCEPTED, DROPPED, WITHDRAWN, STALE):
            port = freePort()
            ports.append(port)
            self.write(f"evil{kind}.py", EVIL.replace("KIND", str(kind)))
            conf += self.definition(
                f"{interpreters.python()} {self.path('lower.py')}",
                service=f"127.0.0.1:{port}",
                preload=f"evil{kind}",
                directory=self.directory,
            )
        self.write("daemon", "1")
        daemon = self.warm(conf, *ports, count=1)
        self.write("daemon", str(daemon.process.pid))
        daemon.waitForLog("warm-exit ", 3)
        for port in ports[1:]:
            # A liar may have accepted a client before it was found out.
            eventually(lambda: self._isServed(port), daemon.log)  # noqa: B023
        for _ in range(3):
            self.assertTrue(self._isServed(other))
        self.assertIsNone(daemon.process.poll())
        self.assertNotIn("Traceback", daemon.log())
        self.assertNotRegex(daemon.log(), rf"warm-exit {other}/tcp")

    def _isServed(self, port: int) -> bool:
        """Return whether a client gets the right answer."""
        return talkOrNothing(port, b"HI\n").split()[3:] == [b"hi"]


class LeftTests(WarmTestCase):
    """Tests for what a warm service leaves behind."""

    def lower(self, **keys: str) -> str:
        """Return the definition of a service that answers in lower case."""
        return self.definition(
            f"{interpreters.python()} {self.write('lower.py', LOWER)}", **keys
        )

    def test_removed(self) -> None:
        """
        A removed service serves its client to the end, and then exits.

        Its port is closed at once.
        """
        other = freePort()
        rest = f"127.0.0.1:{other} stream tcp nowait - /bin/cat cat\n"
        daemon = self.warm(self.lower() + rest, self.port, other)
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        parent = int(client.recv(100).split()[1])
        self.write("inetd.conf", rest)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("] reload")
        eventually(lambda: not isServed(self.port), daemon.log)
        client.sendall(b"TWO\n")
        self.assertTrue(client.recv(100).endswith(b" two\n"))
        self.assertTrue(os.path.exists(f"/proc/{parent}"))
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"")
        eventually(lambda: not os.path.exists(f"/proc/{parent}"), daemon.log)
        self.assertEqual(talk(other, b"hello"), b"hello")

    def test_stopped(self) -> None:
        """
        A stopped process loses no client.

        They wait; when it is killed they are served cold.
        """
        for keys in ({}, {"accept_max": "50"}):
            self.port = freePort()
            daemon = self.warm(self.lower(**keys))
            parent = int(talk(self.port, b"HI\n").split()[1])
            os.kill(parent, signal.SIGSTOP)
            clients = [self.connect(self.port) for _ in range(10)]
            for client in clients:
                client.sendall(b"HELLO\n")
                client.shutdown(socket.SHUT_WR)
            os.kill(parent, signal.SIGKILL)
            for client in clients:
                self.assertTrue(readAll(client).endswith(b" hello\n"))
            daemon.waitForLog("warm-ready ", 2)

    def test_hangsWhileImporting(self) -> None:
        """A module whose import never ends delays no client and no shutdown."""
        self.write("never.py", "import time\ntime.sleep(10000)\n")
        conf = self.lower(preload="never")
        daemon = self.daemon(conf, self.port, options=("--log-level", "info"))
        with daemon:
            self.assertEqual(talk(self.port, b"HI\n").split()[3:], [b"hi"])
            daemon.process.send_signal(signal.SIGHUP)
            daemon.waitForLog("] reload")
            self.assertEqual(talk(self.port, b"HI\n").split()[3:], [b"hi"])
            daemon.waitForLog("] start ", 2)
            daemon.process.terminate()
            eventually(lambda: not daemon.family(), daemon.log)
        self.assertEqual(starts(daemon), ["cold", "cold"])

    def test_many(self) -> None:
        """
        Many clients leave no descriptors, memory, zombies or side effects behind.

        It is so for the daemon and the process.
        """
        text = "import os\nprint(os.getppid(), os.getcwd())\nos.chdir('/tmp')\n"
        script = self.write("s.py", text)
        daemon = self.warm(self.definition(f"{interpreters.python()} {script}"))

        def clients() -> int:
            def work() -> None:
                for _ in range(100):
                    parent, directory = talk(self.port, b"").split()
                    self.assertEqual(directory, b"/")
                    parents.append(int(parent))

            parents: list[int] = []
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual((len(parents), len(set(parents))), (300, 1))
            return parents[0]

        parent = clients()
        daemon.waitForLog("] exit ", 300)
        before = [_figures(pid) for pid in (parent, daemon.process.pid)]
        clients()
        daemon.waitForLog("] exit ", 600)
        with open(f"/proc/{parent}/task/{parent}/children") as children:
            self.assertEqual(children.read(), "")
        after = [_figures(pid) for pid in (parent, daemon.process.pid)]
        for (files, memory), (nowFiles, nowMemory) in zip(before, after):
            self.assertLessEqual(nowFiles, files)
            self.assertLess(nowMemory, memory + 1000)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_counted(self) -> None:
        """The state of a service counts warm starts."""
        daemon = self.warm(self.lower())
        talk(self.port, b"HI\n")
        os.kill(int(events(daemon, "ready")[0][0]), signal.SIGKILL)
        daemon.waitForLog("warm-exit ")
        talk(self.port, b"HI\n")
        daemon.waitForLog("warm-ready ", 2)
        talk(self.port, b"HI\n")
        daemon.waitForLog("] exit ", 3)
        warm = starts(daemon).count("warm")
        daemon.process.send_signal(signal.SIGUSR2)
        daemon.waitForLog(f"started=3 warm={warm} ")


def _figures(pid: int) -> tuple[int, int]:
    """Return the number of descriptors of a process, and its private KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        lines = dict(line.split(":") for line in list(file)[1:])
    private = sum(
        int(lines[f"Private_{kind}"].split()[0]) for kind in ("Clean", "Dirty")
    )
    return len(os.listdir(f"/proc/{pid}/fd")), private
