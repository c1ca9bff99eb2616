# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What programs do to a socket that they share with the daemon, and what becomes of the
path of a UNIX socket.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Callable
from unittest import skipUnless

from tests.daemon import DEADLINE, Daemon, eventually, freePort
from tests.probe import LAUNCHES
from tests.serving import ServingTestCase, nameOf, ordinaryUser, readAll

if TYPE_CHECKING:
    from collections.abc import Iterator

LINUX = sys.platform == "linux"

#: Answer a datagram, and do to the socket what it says.
_HARM_DATAGRAMS = """\
import os, socket, struct, time
service = socket.socket(fileno=0)
service.setblocking(True)
stamp = service.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, 16)
data, sender = service.recvfrom(100)
what = data.decode()
service.sendto(data.upper() if not any(stamp) else b"stale", sender)
inet6 = service.family == socket.AF_INET6
def forever(call):
    if os.fork():
        os._exit(0)
    for fd in (1, 2):
        os.dup2(0, fd)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            call()
        except OSError:
            pass
        time.sleep(0.001)
def connect():
    service.connect(sender)
def shut():
    try:
        service.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
def error():
    service.setsockopt(socket.IPPROTO_IP, 11, 1)
    if inet6:
        service.setsockopt(socket.IPPROTO_IPV6, 25, 1)
    gone = socket.socket(service.family, socket.SOCK_DGRAM)
    gone.bind((sender[0], 0))
    address = gone.getsockname()
    gone.close()
    service.sendto(b"nobody", address)
    time.sleep(0.1)
def options():
    service.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 1))
    service.setsockopt(socket.SOL_SOCKET, 42, 1)
    service.setblocking(False)
calls = {"connect": connect, "shut": shut, "error": error, "options": options}
for name, call in calls.items():
    if what == name:
        call()
    elif what == name + " forever":
        forever(call)
"""

#: Answer a connection, and do to the socket what the client says.
_HARM_CONNECTIONS = """\
import os, socket, sys, time
service = socket.socket(fileno=0)
client, _ = service.accept()
what = client.makefile().readline().strip()
client.sendall(what.upper().encode())
client.close()
if what == "shut":
    service.shutdown(socket.SHUT_RDWR)
elif what == "listen":
    service.listen(0)
elif what == "remove":
    os.unlink(service.getsockname())
elif what == "shut forever" and os.fork() == 0:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            service.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        time.sleep(0.001)
"""


class SharedTestCase(ServingTestCase):
    """
    Serve with a program that harms its socket.
    """

    def serving(self, launch: str, keys: str) -> Daemon:
        """
        A daemon of one service, which listens.
        """
        # A user of her own can do no harm to the processes of the daemon.
        user = nameOf(ordinaryUser())
        conf = f"it on id = it, user = {user}, launch = {launch}, {keys};\n"
        daemon = self.daemon(conf.replace("it on", f"{self.where} on", 1))
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("] listen it ")
        return daemon

    def eachLaunch(self) -> Iterator[str]:
        """
        The ways to start programs; each with a port of its own.
        """
        for launch in LAUNCHES:
            self.port = freePort()
            self.where = str(self.port)
            yield launch


class DatagramTests(SharedTestCase):
    """
    C{dgram wait}.
    """

    def say(self, word: str, host: str = "127.0.0.1") -> None:
        """
        Have the service answer a new client, however often it must be asked: a datagram
        that was in the socket when that was replaced is lost.
        """
        client = self.datagrams(host=host)
        client.settimeout(1)
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                client.sendto(word.encode(), (host, self.port))
                if client.recv(100) == word.upper().encode():
                    return
                self.fail("the socket was not as the service wants it")
            except (TimeoutError, socket.timeout, ConnectionError):
                """It may be about to be replaced."""
        self.fail(f"no answer to {word!r}")

    def harmed(self, *words: str, host: str = "127.0.0.1", net: str = "udp") -> None:
        """
        Assert that all clients are answered after a program has done some harm.
        """
        if not LINUX:
            words = ("connect",)
        for launch in self.eachLaunch():
            path = self.program("harm", _HARM_DATAGRAMS)
            self.where = f"{host}:{self.port}" if ":" not in host else self.where
            keys = f"protocol = {net}, wait = yes, exec = {path}"
            daemon = self.serving(launch, keys)
            for word in words:
                for each in (word, "hello", word, "hello"):
                    self.say(each, host)
            started = daemon.log().count("] start it ")
            self.assertLess(started, 12 * len(words))
            daemon.stop()

    def test_ended(self) -> None:
        """
        A program that connects its socket, shuts it down, leaves an error in it or sets
        options, and ends, does no harm to the next one.
        """
        self.harmed("connect", "shut", "error", "options")

    def test_inet6(self) -> None:
        """
        That is so for IPv6.
        """
        self.harmed("connect", "shut", "error", host="::1", net="udp6")

    def test_leftBehind(self) -> None:
        """
        What a program has left behind, which does that again and again, does not stop
        the service.
        """
        self.harmed("connect forever", "shut forever", "error forever")


class StreamTests(SharedTestCase):
    """
    C{stream wait}.
    """

    def say(self, word: str) -> None:
        """
        Have the service answer a new client, however often it must be asked.
        """
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as client:
                    client.sendall(f"{word}\n".encode())
                    if readAll(client) == word.upper().encode():
                        return
            except (OSError, TimeoutError):
                time.sleep(0.05)
        self.fail(f"no answer to {word!r}")

    def test_shutdown(self) -> None:
        """
        A program that shuts its listening socket down, once or again and again, does
        not stop the service.
        """
        for launch in self.eachLaunch():
            path = self.program("harm", _HARM_CONNECTIONS)
            keys = f"protocol = tcp, wait = yes, exec = {path}"
            daemon = self.serving(launch, keys)
            for word in ("shut", "hello", "shut", "hello", "shut forever", "hello"):
                self.say(word)
            daemon.stop()

    @skipUnless(LINUX, "only Linux tells how many may wait")
    def test_backlog(self) -> None:
        """
        The backlog is what the service wants, whatever a program has asked for.
        """
        for launch in self.eachLaunch():
            path = self.program("harm", _HARM_CONNECTIONS)
            keys = f"protocol = tcp, wait = yes, backlog = 77, exec = {path}"
            daemon = self.serving(launch, keys)
            self.say("listen")
            daemon.waitForLog("] end it ", 0)
            clients = [self.connect(self.port) for _ in range(20)]
            for client in clients:
                client.sendall(b"listen\n")
                self.assertEqual(readAll(client), b"LISTEN")
            daemon.stop()


class PathTests(SharedTestCase):
    """
    The path of a UNIX socket.
    """

    def ask(self, path: str) -> Callable[[], bool]:
        """
        Whether a service answers at a path.
        """

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
        """
        Whether a service answers a datagram at a path.
        """

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
        """
        A daemon of three services with a path, and whether each answers there.
        """
        os.chmod(self.folder, 0o777)
        user = nameOf(ordinaryUser())
        paths = [self.path(f"{name}.sock") for name in ("nowait", "wait", "datagram")]
        harm = self.program("harm", _HARM_CONNECTIONS)
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
        A path that was removed is there again by itself, and at a SIGHUP at once; one
        line says so.
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
            self.assertEqual(daemon.log().count("] renew "), 3 * count)

    def test_another(self) -> None:
        """
        What somebody has put at a path in its place is not removed; when it is gone,
        the path is the service's again.
        """
        daemon, found = self.served()
        for path in found:
            os.unlink(path)
            with open(path, "w", encoding="ascii") as file:
                file.write("mine")
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("] unbound ", 3)
        for path, answers in found.items():
            with open(path, encoding="ascii") as file:
                self.assertEqual(file.read(), "mine")
            os.unlink(path)
            eventually(answers, daemon.log)

    def test_program(self) -> None:
        """
        A program that removes the path, or shuts the socket down, is followed by the
        next one.
        """
        _, found = self.served()
        path = self.path("wait.sock")
        for word in (b"remove", b"shut") * 2:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(path)
                client.sendall(word + b"\n")
                self.assertEqual(readAll(client), word.upper())
            eventually(found[path], lambda: "the service is there again")

    def test_control(self) -> None:
        """
        The control socket is there again, too.
        """
        path = self.path("control")
        conf = f"{freePort()} stream tcp nowait - /bin/cat cat\n"
        with self.daemon(conf, options=["--control", path]) as daemon:
            daemon.waitForLog("] listen ")
            eventually(lambda: os.path.exists(path), daemon.log)
            os.unlink(path)
            eventually(lambda: os.path.exists(path), daemon.log)
