# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Host names in configuration files, with a name service that does not answer.

Each look-up takes longer than any test waits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING

from tests.support import users
from tests.support.daemon import DEADLINE, Daemon, freePort, talk
from tests.support.serving import ServingTestCase, inetd, run

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Gives a command its own files for the name service.
_MOUNT = """
for file in hosts resolv.conf nsswitch.conf; do
    [ -e /etc/$file ] || continue
    mount --bind "$0/$file" /etc/$file || exit 9
done
exec "$@"
"""


class NamesTestCase(ServingTestCase):
    """A test case with a name service that does not answer, and hosts(5)."""

    if not users.ROOT:
        skip = "only root can make a mount namespace"
    elif shutil.which("unshare") is None:
        skip = "unshare is not installed"

    def setUp(self) -> None:
        """Receive what a DNS server would."""
        super().setUp()
        self.silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.silent.close)
        for last in range(100, 250):
            with contextlib.suppress(OSError):
                self.silent.bind((f"127.0.0.{last}", 53))
                break
        host = self.silent.getsockname()[0]
        self.write("resolv.conf", f"nameserver {host}\noptions timeout:30 attempts:5\n")
        self.write("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
        self.hosts()
        self.port, self.other = freePort(), freePort()
        self.line = f"127.0.0.1:{self.other} stream tcp nowait - internal echo\n"

    def hosts(self, *lines: str) -> None:
        """Write the lines of C{/etc/hosts}."""
        text = "".join(f"{line}\n" for line in ("127.0.0.1 localhost", *lines))
        self.write("hosts", text)

    def named(self, name: str) -> str:
        """Return the line of a service at a host name."""
        return f"{name}:{self.port} stream tcp nowait - /bin/cat cat\n"

    def within(self, *command: str) -> list[str]:
        """Return a command that asks this name service."""
        directory = self.path("hosts").rpartition("/")[0]
        return ["unshare", "-m", "/bin/sh", "-c", _MOUNT, directory, *command]

    @contextlib.contextmanager
    def served(self, *lines: str) -> Iterator[Daemon]:
        """Return a daemon that serves these lines beside one without a name."""
        conf = self.write("inetd.conf", "".join((*lines, self.line)))
        control = self.path("control")
        argv = inetd("-f", "-e", "--control", control, conf)
        with Daemon(self.within(*argv), ports=[self.other]) as daemon:
            self.assertServed(self.other)
            yield daemon

    def assertServed(self, port: int) -> None:
        """Check that a client is served."""
        self.assertEqual(talk(port, b"text"), b"text")

    def reload(self, daemon: Daemon, *lines: str) -> None:
        """Serve other lines beside the one without a name."""
        count = daemon.log().count(" reload - ")
        self.write("inetd.conf", "".join((*lines, self.line)))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog(" reload - ", count + 1)


class SilentTests(NamesTestCase):
    """Names of which nothing is known."""

    def test_start(self) -> None:
        """
        A service at such a name is unbound, and the others are served.

        Its state has the reason. The daemon answers commands, and ends during the
        look-up.
        """
        with self.served(self.named("silent.example")) as daemon:
            daemon.waitForLog("reason=host name look-up: no answer yet")
            status = run(inetd("status", "--control", self.path("control")))
            self.assertIn("silent.example", status.stdout)
            self.assertServed(self.other)
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)

    def test_many(self) -> None:
        """More such names than look-ups at a time delay neither others nor the end."""
        lines = [
            f"n{index}.example:{self.port} stream tcp nowait - internal echo\n"
            for index in range(40)
        ]
        with self.served(*lines) as daemon:
            daemon.waitForLog("reason=host name look-up: no answer yet", 40)
            threads = len(os.listdir(f"/proc/{daemon.process.pid}/task"))
            self.assertLess(threads, 20)
            self.assertServed(self.other)
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)

    def test_reload(self) -> None:
        """
        A SIGHUP that adds such a name is finished at once.

        Clients are served meanwhile.
        """
        with self.served() as daemon:
            stay = self.connect(self.other)
            self.reload(daemon, self.named("silent.example"))
            daemon.waitForLog("reason=host name look-up: no answer yet")
            stay.sendall(b"x")
            self.assertEqual(stay.recv(1), b"x")
            done = run(inetd("reload", "--control", self.path("control")))
            self.assertEqual(done.stdout, "2 unchanged\n")
            self.assertServed(self.other)

    def test_found(self) -> None:
        """A name that is not found is retried, and served at each address."""
        self.write("nsswitch.conf", "hosts: files\n")
        with self.served(self.named("later.example")) as daemon:
            daemon.waitForLog("reason=host name look-up: ")
            self.hosts("127.0.0.1 later.example", "127.0.0.2 later.example")
            daemon.waitForLog(f"listen 127.0.0.1:{self.port}/tcp ")
            daemon.waitForLog(f"listen 127.0.0.2:{self.port}/tcp ")
            self.assertServed(self.port)
            health = run(inetd("health", "--control", self.path("control")))
            self.assertEqual(health.returncode, 0)

    def test_check(self) -> None:
        """C{--check} looks all names up at once, and warns of those not found."""
        self.write("nsswitch.conf", "hosts: files\n")
        path = self.write(
            "inetd.conf", self.named("nowhere.example") + self.named("localhost")
        )
        done = run(self.within(*inetd("--check", path)))
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn(f"{path}:1:17: warning: bind: host name look-up: ", done.stdout)
        self.assertIn("2 services, 0 errors, 1 warning", done.stdout)


class KnownTests(NamesTestCase):
    """Names that had an address before."""

    def test_listening(self) -> None:
        """A name in hosts(5) is served as soon as the daemon serves."""
        with self.served(self.named("localhost")) as daemon:
            self.assertServed(self.port)
            self.assertNotIn("bind-failed", daemon.log())

    def test_kept(self) -> None:
        """
        A service keeps its socket when its name is not found at a SIGHUP.

        No connection is lost.
        """
        self.hosts("127.0.0.1 known.example")
        with self.served(self.named("known.example")) as daemon:
            self.assertServed(self.port)
            self.hosts()
            self.write("nsswitch.conf", "hosts: files\n")
            self.reload(daemon, self.named("known.example"))
            daemon.waitForLog("the old addresses stay")
            self.assertServed(self.port)
            self.assertNotIn("close", daemon.log())

    def test_moved(self) -> None:
        """After a SIGHUP a service is at the address that its name has then."""
        self.hosts("127.0.0.1 known.example")
        with self.served(self.named("known.example")) as daemon:
            self.assertServed(self.port)
            self.hosts("127.0.0.2 known.example")
            self.reload(daemon, self.named("known.example"))
            daemon.waitForLog(f"listen {self.port}/tcp address=127.0.0.2:{self.port}")
            self.assertEqual(talk(self.port, b"text", "127.0.0.2"), b"text")
            daemon.waitForLog(f"close {self.port}/tcp")
