# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.client}."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from threading import Thread

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.control import client
from inetdtw.control.client import Client, NoDaemon
from inetdtw.test.fakes import PATIENCE


class ClientTests(SynchronousTestCase):
    """Tests for L{Client}."""

    def setUp(self) -> None:
        """Listen on a socket."""
        self.path = os.path.relpath(self.mktemp())
        self.asked = b""
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        self.server.settimeout(PATIENCE)
        self.server.bind(self.path)
        self.server.listen()

    def ask(
        self, answer: bytes, path: str = "/status", **query: str
    ) -> Mapping[str, object]:
        """Send a request to a server that replies with some bytes."""

        def serve() -> None:
            connection, _ = self.server.accept()
            with connection:
                self.asked = connection.recv(4096)
                connection.sendall(answer)

        served = Thread(target=serve)
        served.start()
        try:
            return Client(self.path).ask("POST", path, **query)
        finally:
            served.join()

    def test_pid(self) -> None:
        """The client has the daemon's process id from the kernel."""
        client = Client(self.path)
        self.assertEqual(client.pid, 0)
        self.server.close()
        self.assertRaises(NoDaemon, client.ask, "GET", "/health")
        self.assertEqual(client.pid, 0)

    def error(self, answer: bytes) -> str:
        """Return the error about a reply."""
        return str(self.assertRaises(NoDaemon, self.ask, answer))

    def test_answer(self) -> None:
        """A reply is an object, also with the reason of a rejection."""
        answer = self.ask(b'HTTP/1.1 404 x\r\n\r\n{"error": "no"}', service="[::1]:7/x")
        self.assertEqual(answer, {"error": "no"})
        self.assertTrue(
            self.asked.startswith(b"POST /status?service=%5B%3A%3A1%5D%3A7")
        )
        self.assertEqual(self.ask(b'HTTP/1.1 200 OK\r\n\r\n{"a": 1}'), {"a": 1})

    def test_noText(self) -> None:
        """An argument that is not UTF-8 reaches the daemon as the same bytes."""
        self.ask(b'HTTP/1.1 400 x\r\n\r\n{"error": "no"}', service="a\udcff")
        self.assertTrue(self.asked.startswith(b"POST /status?service=a%FF "))

    def test_noInetd(self) -> None:
        """Another reply is not an inetd's."""
        for answer in (
            b"",
            b"220 mail\r\n",
            b"HTTP/1.1 200 OK\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\n\r\n[]",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
            b"HTTP/1.1 200 OK\r\n\r\n\xff",
        ):
            self.assertIn(self.path, self.error(answer))

    def test_another(self) -> None:
        """An error in another format is not an inetd's."""
        reason = self.error(b'HTTP/1.1 404 x\r\n\r\n{"message": "page not found"}')
        self.assertIn("is not an inetd control socket", reason)
        self.assertEqual(self.ask(b'HTTP/1.1 503 x\r\n\r\n{"a": 1}'), {"a": 1})

    def test_silent(self) -> None:
        """A daemon that does not reply runs into the timeout."""
        self.patch(client, "TIMEOUT", 0.01)
        why = self.assertRaises(NoDaemon, Client(self.path).ask, "GET", "/status")
        self.assertIn("timed out", str(why))

    def test_nobody(self) -> None:
        """If no daemon replies, the message says what to do."""
        self.server.close()
        for path in (self.path, "/no-such-directory/socket", "x" * 200):
            why = self.assertRaises(NoDaemon, Client(path).ask, "GET", "/status")
            self.assertIn(f"'{path}'", str(why))
            self.assertIn("--control", str(why))

    def test_forbidden(self) -> None:
        """The error for a client without permission names the users that have it."""

        def refuse(self: socket.socket, path: str) -> None:
            raise PermissionError(13, "Permission denied")

        self.patch(socket.socket, "connect", refuse)
        why = self.assertRaises(NoDaemon, Client(self.path).ask, "GET", "/status")
        self.assertIn("only the daemon's user and root", str(why))

    def test_strangersDirectory(self) -> None:
        """A default directory that another user can change is not used."""
        directory = self.mktemp()
        os.mkdir(directory)
        os.chmod(directory, 0o777)
        path = os.path.join(directory, "c")
        os.rename(self.path, path)
        why = self.assertRaises(NoDaemon, Client(path, True).ask, "GET", "/status")
        self.assertIn("is writable by others", str(why))
