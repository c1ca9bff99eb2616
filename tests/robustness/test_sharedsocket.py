# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What programs do to a socket that they share with the daemon, and to its path."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Callable
from unittest import skipUnless

from tests.support import users
from tests.support.daemon import DEADLINE, Daemon, eventually, freePort, talk
from tests.support.probe import LAUNCHES
from tests.support.serving import ServingTestCase, inetd, readAll, run
from tests.support.users import nameOf, ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Iterator

LINUX = sys.platform == "linux"

#: Answer a datagram, and do to the socket what it says.
_HARM_DATAGRAMS = """\
import ctypes, os, socket, struct, time
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
def drop():
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(code))
    service.setsockopt(socket.SOL_SOCKET, 26, program)
def take():
    service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other = socket.socket(service.family, socket.SOCK_DGRAM)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(service.getsockname())
    service.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    forever(lambda: time.sleep(1))
def begin():
    service.sendto(b"begun", socket.MSG_MORE, sender)
calls = {"connect": connect, "shut": shut, "error": error, "options": options}
calls.update(drop=drop, take=take, begin=begin)
for name, call in calls.items():
    if what == name:
        call()
    elif what == name + " forever":
        forever(call)
"""

#: Answer a connection, and do to the socket what the client says.
_HARM_CONNECTIONS = """\
import os, socket, struct, sys, time
service = socket.socket(fileno=0)
client, _ = service.accept()
what = client.makefile().readline().strip()
client.sendall(what.upper().encode())
client.close()
if what == "shut":
    service.shutdown(socket.SHUT_RDWR)
elif what == "listen":
    service.listen(0)
elif what == "key":
    anybody = struct.pack("=HHI", 2, 0, 0).ljust(128, bytes(1))
    key = struct.pack("=128sBBHI80s", anybody, 1, 0, 6, 0, b"secret")
    try:
        service.setsockopt(socket.IPPROTO_TCP, 32, key)
    except OSError:
        pass
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

#: Leave four processes behind that have accept(2) wait, each of which serves a client
#: now and then, and end without accepting.
_STEAL = """\
import fcntl, os, socket, time
service = socket.socket(fileno=0)
end = time.monotonic() + 60
if os.fork() == 0:
    while time.monotonic() < end:
        for _ in range(1000):
            fcntl.fcntl(0, fcntl.F_SETFL, os.O_RDWR)
    os._exit(0)
for _ in range(4):
    if os.fork() == 0:
        end = time.monotonic() + 60
        service.settimeout(None)
        while time.monotonic() < end:
            fcntl.fcntl(0, fcntl.F_SETFL, os.O_RDWR)
            try:
                client, _ = service.accept()
            except OSError:
                time.sleep(0.001)
                continue
            client.sendall(b"stolen")
            client.close()
"""


class SharedTestCase(ServingTestCase):
    """Serve with a program that harms its socket."""

    def serving(self, launch: str, keys: str) -> Daemon:
        """Return a daemon of one service, which listens."""
        # A user of its own can do no harm to the processes of the daemon.
        user = nameOf(ordinaryUser())
        conf = f"it on id = it, user = {user}, launch = {launch}, {keys};\n"
        daemon = self.daemon(conf.replace("it on", f"{self.where} on", 1))
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("] listen it ")
        return daemon

    def eachLaunch(self) -> Iterator[str]:
        """Return the ways to start programs, each with a port."""
        for launch in LAUNCHES:
            self.port = freePort()
            self.where = str(self.port)
            yield launch


class DatagramTests(SharedTestCase):
    """C{dgram wait}."""

    def say(self, word: str, host: str = "127.0.0.1") -> None:
        """
        Have the service answer a new client.

        Ask several times: a datagram in a socket that was replaced is lost.
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
                pass  # It may be about to be replaced.
        self.fail(f"no answer to {word!r}")

    def harmed(self, *words: str, host: str = "127.0.0.1", net: str = "udp") -> None:
        """Assert that all clients are answered after a program has done some harm."""
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
        A program that misuses its socket and ends does not harm the next one.

        It connects the socket, shuts it down, leaves an error in it or sets options.
        """
        self.harmed("connect", "shut", "error", "options", "drop", "begin")

    def test_inet6(self) -> None:
        """A program that misuses an IPv6 socket does not harm the next one."""
        self.harmed("connect", "shut", "error", host="::1", net="udp6")

    def test_leftBehind(self) -> None:
        """An orphan that does so again and again does not stop the service."""
        self.harmed("connect forever", "shut forever", "error forever", "drop forever")

    @skipUnless(LINUX, "only Linux tells who gets datagrams")
    def test_taken(self) -> None:
        """An orphan's socket of the same address gets datagrams for a moment only."""
        self.harmed("take")
        self.harmed("take", host="::1", net="udp6")


class StreamTests(SharedTestCase):
    """C{stream wait}."""

    def say(self, word: str) -> None:
        """Have the service answer a new client, however often it must be asked."""
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
        A program that shuts its listening socket down does not stop the service.

        It does so once, or again and again.
        """
        for launch in self.eachLaunch():
            path = self.program("harm", _HARM_CONNECTIONS)
            keys = f"protocol = tcp, wait = yes, exec = {path}"
            daemon = self.serving(launch, keys)
            for word in ("shut", "hello", "shut", "hello", "shut forever", "hello"):
                self.say(word)
            daemon.stop()

    @skipUnless(LINUX, "only Linux has such keys")
    def test_key(self) -> None:
        """
        A program that sets a TCP MD5 key does not stop the service.

        No client has the key.
        """
        for launch in self.eachLaunch():
            path = self.program("harm", _HARM_CONNECTIONS)
            daemon = self.serving(launch, f"protocol = tcp, wait = yes, exec = {path}")
            for word in ("key", "hello", "key", "hello"):
                self.say(word)
            daemon.stop()

    @skipUnless(LINUX, "only Linux tells how many may wait")
    def test_backlog(self) -> None:
        """The backlog is that of the service, whatever a program has set."""
        for launch in self.eachLaunch():
            path = self.program("harm", _HARM_CONNECTIONS)
            keys = f"protocol = tcp, wait = yes, backlog = 77, exec = {path}"
            daemon = self.serving(launch, keys)
            self.say("listen")
            daemon.waitForLog("] exit it ", 0)
            clients = [self.connect(self.port) for _ in range(20)]
            for client in clients:
                client.sendall(b"listen\n")
                self.assertEqual(readAll(client), b"LISTEN")
            daemon.stop()


class AcceptTests(SharedTestCase):
    """Orphans that accept from a listening socket of the daemon's."""

    def stolen(self, port: int) -> bytes:
        """Be a client of a service that orphans accept from; return the answer."""
        with socket.create_connection(("127.0.0.1", port), 5) as client:
            client.settimeout(0.2)
            try:
                client.sendall(b"served")
                client.shutdown(socket.SHUT_WR)
                return readAll(client)
            except OSError:
                return b""

    def lives(self, daemon: Daemon, other: int) -> None:
        """Assert that the daemon answers while many clients of the service come."""
        control = self.path("control")
        for _ in range(30):
            self.stolen(self.port)
            self.assertEqual(talk(other, b"other"), b"other")
        asked = run(inetd("status", "--control", control))
        self.assertEqual((asked.returncode, asked.stderr), (0, ""))

    def stealing(self, launch: str) -> tuple[Daemon, int, str]:
        """
        Return a daemon of a service with orphans, and its other configuration.

        It has an internal service too. The text makes the first service another one.
        """
        other = freePort()
        path = self.program("steal", _STEAL)
        user = nameOf(ordinaryUser())
        text = f"{self.port} on id = it, protocol = tcp, user = {user}, %s;\n"
        more = f"{other} stream tcp nowait root internal echo\n"
        if not users.ROOT:
            more = more.replace(" root ", " - ")
        first = f"wait = yes, launch = {launch}, exec = {path}"
        options = ["--control", self.path("control"), "--log-level", "info"]
        daemon = self.daemon(text % first + more, other, self.port, options=options)
        daemon.start()
        self.addCleanup(daemon.stop)
        self.stolen(self.port)
        daemon.waitForLog("] exit it ")
        return daemon, other, text + more

    def test_reload(self) -> None:
        """
        A service that is no longer C{wait} is served, without a blocked daemon.

        It becomes C{nowait}, internal or tcpmux.
        """
        kinds = (
            "wait = no, exec = /bin/cat",
            "wait = no, exec = /bin/cat, launch = direct, accept_max = 3",
            "args = echo",
        )
        for launch in self.eachLaunch():
            daemon, other, text = self.stealing(launch)
            for number, kind in enumerate(kinds):
                self.write("inetd.conf", text % kind)
                os.kill(daemon.process.pid, signal.SIGHUP)
                daemon.waitForLog("] reload -", number + 1)
                self.assertNotIn("the old configuration stays", daemon.log())
                self.lives(daemon, other)
                eventually(lambda: self.stolen(self.port) == b"served", daemon.log)
            daemon.stop()

    def test_refused(self) -> None:
        """
        Clients of a service without its program are closed.

        The daemon never blocks in accept(2).
        """
        for launch in self.eachLaunch():
            daemon, other, _ = self.stealing(launch)
            os.unlink(self.path("steal"))
            self.lives(daemon, other)
            daemon.stop()

    def test_missing(self) -> None:
        """Each client of such a service is closed when no orphan accepts."""
        other = freePort()
        self.port = freePort()
        conf = (
            f"{self.port} stream tcp wait {nameOf(ordinaryUser())} /none none\n"
            f"{other} stream tcp nowait - internal echo\n"
        )
        with self.daemon(conf, other, self.port):
            for _ in range(5):
                client = self.connect(self.port)
                self.assertEqual(readAll(client), b"")
                self.assertEqual(talk(other, b"x"), b"x")


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
            lambda: re.search(r"held=(child,)?replaced", daemon.log()), daemon.log
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
