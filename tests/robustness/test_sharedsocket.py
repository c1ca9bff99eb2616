# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for programs that misuse the socket they share with the daemon."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING
from unittest import skipUnless

from tests.support import users
from tests.support.daemon import DEADLINE, Daemon, eventually, freePort, talk
from tests.support.serving import inetd, readAll, run
from tests.support.sharedsocket import HARM_CONNECTIONS, SharedTestCase
from tests.support.users import nameOf, ordinaryUser

if TYPE_CHECKING:
    pass


LINUX = sys.platform == "linux"

#: Answer a datagram, and do to the socket what the datagram asks for.
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


class DatagramTests(SharedTestCase):
    """C{dgram wait}."""

    def send(self, word: str, daemon: Daemon, host: str) -> None:
        """
        Connect a client, and return the answer.

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
        self.fail(f"no answer to {word!r}:\n{daemon.log()}")

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
                    self.send(each, daemon, host)
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
        """An orphan that misuses the socket repeatedly does not stop the service."""
        self.harmed("connect forever", "shut forever", "error forever", "drop forever")

    @skipUnless(LINUX, "only Linux tells who gets datagrams")
    def test_taken(self) -> None:
        """An orphan's socket of the same address gets datagrams for a moment only."""
        self.harmed("take")
        self.harmed("take", host="::1", net="udp6")


class StreamTests(SharedTestCase):
    """C{stream wait}."""

    def send(self, word: str) -> None:
        """Connect until the service answers, and return the answer."""
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
            path = self.program("harm", HARM_CONNECTIONS)
            keys = f"protocol = tcp, wait = yes, exec = {path}"
            daemon = self.serving(launch, keys)
            for word in ("shut", "hello", "shut", "hello", "shut forever", "hello"):
                self.send(word)
            daemon.stop()

    @skipUnless(LINUX, "only Linux has such keys")
    def test_key(self) -> None:
        """
        A program that sets a TCP MD5 key does not stop the service.

        No client has the key.
        """
        for launch in self.eachLaunch():
            path = self.program("harm", HARM_CONNECTIONS)
            daemon = self.serving(launch, f"protocol = tcp, wait = yes, exec = {path}")
            for word in ("key", "hello", "key", "hello"):
                self.send(word)
            daemon.stop()

    @skipUnless(LINUX, "only Linux reports the backlog")
    def test_backlog(self) -> None:
        """The backlog is that of the service, whatever a program has set."""
        for launch in self.eachLaunch():
            path = self.program("harm", HARM_CONNECTIONS)
            keys = f"protocol = tcp, wait = yes, backlog = 77, exec = {path}"
            daemon = self.serving(launch, keys)
            self.send("listen")
            daemon.waitForLog("] exit it ", 0)
            clients = [self.connect(self.port) for _ in range(20)]
            for client in clients:
                client.sendall(b"listen\n")
                self.assertEqual(readAll(client), b"LISTEN")
            daemon.stop()


class AcceptTests(SharedTestCase):
    """Orphans that accept from a listening socket of the daemon's."""

    def stolen(self, port: int) -> bytes:
        """Connect to a service that orphans accept from, and return the answer."""
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
        asked = run(inetd("health", "--live", "--control", control))
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
