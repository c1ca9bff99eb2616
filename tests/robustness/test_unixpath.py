# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The path of a UNIX socket that programs or others remove or replace."""

from __future__ import annotations

import os
import re
import signal
import socket
from typing import Callable

from tests.support.daemon import DEADLINE, Daemon, eventually, freePort
from tests.support.serving import inetd, readAll, run
from tests.support.sharedsocket import HARM_CONNECTIONS, SharedTestCase
from tests.support.users import nameOf, ordinaryUser


class PathTests(SharedTestCase):
    """The path of a UNIX socket."""

    def ask(self, path: str) -> Callable[[], bool]:
        """Return whether a service answers at a path."""

        def answered() -> bool:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                try:
                    client.connect(path)
                    client.sendall(b"hello\n")
                    client.shutdown(socket.SHUT_WR)
                    return readAll(client).lower().strip() == b"hello"
                except OSError:
                    return False

        return answered

    def askDatagram(self, path: str) -> Callable[[], bool]:
        """Return whether a service answers a datagram at a path."""

        def answered() -> bool:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.settimeout(DEADLINE)
                own = self.path("client.sock")
                client.bind(own)
                os.chmod(own, 0o777)
                try:
                    client.sendto(b"hello", path)
                    return client.recv(100) == b"hello"
                except OSError:
                    return False
                finally:
                    os.unlink(own)

        return answered

    def served(self) -> tuple[Daemon, dict[str, Callable[[], bool]]]:
        """Return a daemon of three services with a path, and whether each answers."""
        os.chmod(self.directory, 0o777)
        user = nameOf(ordinaryUser())
        paths = [self.path(f"{name}.sock") for name in ("nowait", "wait", "datagram")]
        harm = self.program("harm", HARM_CONNECTIONS)
        nowait, wait, datagram = paths
        conf = (
            f":::0666:{nowait} stream unix nowait {user} /bin/cat cat\n"
            f":::0666:{wait} stream unix wait {user} {harm} harm\n"
            f":::0666:{datagram} dgram unix nowait {user} /bin/cat cat\n"
        )
        daemon = self.daemon(conf)
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("] listen ", 3)
        found = {path: self.ask(path) for path in (nowait, wait)}
        found[datagram] = self.askDatagram(datagram)
        for path, answers in found.items():
            eventually(answers, lambda path=path: path)  # type: ignore[misc] # as it is
        return daemon, found

    def test_removed(self) -> None:
        """
        A removed path is bound again by itself, and at a SIGHUP at once.

        One log line reports it.
        """
        daemon, found = self.served()
        for count in (1, 2):
            for path in found:
                os.unlink(path)
            if count == 2:
                os.kill(daemon.process.pid, signal.SIGHUP)
                daemon.waitForLog("] reload -")
            for answers in found.values():
                eventually(answers, daemon.log)
            self.assertEqual(daemon.log().count("] rebind "), 3 * count)

    def test_another(self) -> None:
        """A file at the path stays; the path is bound again when it is gone."""
        daemon, found = self.served()
        for path in found:
            os.unlink(path)
            with open(path, "w", encoding="ascii") as file:
                file.write("mine")
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("] bind-failed ", 3)
        for path, answers in found.items():
            with open(path, encoding="ascii") as file:
                self.assertEqual(file.read(), "mine")
            os.unlink(path)
            eventually(answers, daemon.log)

    def test_program(self) -> None:
        """
        A program that removes the path, or shuts the socket down, is replaced.

        A service whose programs do so again is failing.
        """
        daemon, found = self.served()
        path = self.path("wait.sock")
        for word in (b"remove", b"shut") * 2:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(path)
                client.sendall(word + b"\n")
                self.assertEqual(readAll(client), word.upper())
            eventually(found[path], lambda: "the service is there again")
        os.kill(daemon.process.pid, signal.SIGUSR2)
        eventually(
            lambda: re.search(r"pauses=(child,)?replaced", daemon.log()), daemon.log
        )

    def test_resumed(self) -> None:
        """A removed path is bound again when an operator resumes the service."""
        control, path = self.path("control"), self.path("nowait.sock")
        conf = f":::0666:{path} stream unix nowait - /bin/cat cat\n"
        with self.daemon(conf, options=["--control", control]) as daemon:
            daemon.waitForLog("] listen ")
            eventually(lambda: os.path.exists(control), daemon.log)
            os.unlink(path)
            self.assertEqual(
                run(inetd("resume", path, "--control", control)).stderr, ""
            )
            self.assertTrue(os.path.exists(path))

    def test_control(self) -> None:
        """The control socket is there again, too."""
        path = self.path("control")
        conf = f"{freePort()} stream tcp nowait - /bin/cat cat\n"
        with self.daemon(conf, options=["--control", path]) as daemon:
            daemon.waitForLog("] listen ")
            eventually(lambda: os.path.exists(path), daemon.log)
            os.unlink(path)
            eventually(lambda: os.path.exists(path), daemon.log)
