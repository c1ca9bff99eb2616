# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.server}."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any

from twisted.internet.testing import StringTransport

from inetdtw.control import server
from inetdtw.control.http import MOST
from inetdtw.control.server import ControlSocket, isTrusted
from inetdtw.control.test.test_http import Echoing
from inetdtw.system import peer
from inetdtw.system.descriptors import Descriptors
from inetdtw.test.fakes import PATIENCE, ServingTestCase


class ControlSocketTests(ServingTestCase):
    """Tests for L{ControlSocket}."""

    def setUp(self) -> None:
        """Make a path that is short enough for a socket."""
        super().setUp()
        self.path = os.path.relpath(self.mktemp())

    def make(
        self,
        path: str | None = None,
        usual: bool = False,
        descriptors: Descriptors | None = None,
    ) -> ControlSocket:
        """Return a control socket that serves."""
        made = ControlSocket(
            *(Echoing().respond, path or self.path, usual, self.runtime.report),
            *(self.reactor, descriptors or Descriptors()),
        )
        self.addCleanup(self.stop, made)
        made.startService()
        return made

    def stop(self, made: ControlSocket) -> None:
        """Stop a control socket, unless it is stopped."""
        if made.running:
            made.stopService()

    def connect(self) -> socket.socket:
        """Return a client."""
        client = self.closing(socket.socket(socket.AF_UNIX))
        client.settimeout(PATIENCE)
        client.connect(self.path)
        return client

    def test_private(self) -> None:
        """Only the owner may connect to the socket, with any umask."""
        before = os.umask(0)
        try:
            self.make()
        finally:
            os.umask(before)
        mode = os.stat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_answers(self) -> None:
        """A client is served."""
        self.make()
        client = self.connect()
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))
        ((ours, site),) = self.reactor.adopted
        self.assertEqual(ours.getpeername(), client.getsockname())
        self.assertIsNotNone(site.buildProtocol(None))

    def test_strangers(self) -> None:
        """A connection of another user is closed."""
        self.make()
        self.patch(server, "isTrusted", lambda connection: False)
        client = self.connect()
        self.reactor.turn(PATIENCE)
        self.assertEqual(client.recv(9), b"")
        self.assertEqual(self.reactor.adopted, [])

    def test_stop(self) -> None:
        """A stop removes the path; the control socket can be started again."""
        made = self.make()
        made.stopService()
        self.assertFalse(os.path.exists(self.path))
        self.assertEqual(self.reactor.getReaders(), [])

        def again() -> None:
            made.startService()
            made.stopService()

        self.leavesNothingOpen(again)

    def test_removed(self) -> None:
        """
        A path that was removed is bound again.

        If another file is there, as soon as that is gone.
        """
        made = self.make()
        made.check()
        self.assertEqual(len(self.logged("control")), 1)
        os.unlink(self.path)
        made.check()
        self.connect()
        self.assertEqual(len(self.logged("control")), 2)
        self.assertEqual(len(self.logged("control-failed")), 1)
        os.unlink(self.path)
        with open(self.path, "w") as file:
            file.write("mine")
        for _ in range(3):
            made.check()
        self.assertEqual(len(self.logged("control-failed")), 2)
        with open(self.path) as file:
            self.assertEqual(file.read(), "mine")
        os.unlink(self.path)
        made.check()
        self.connect()
        self.assertEqual(len(self.logged("control")), 3)
        made.stopService()
        made.check()
        self.assertFalse(os.path.exists(self.path))

    def test_stale(self) -> None:
        """A stale socket is replaced."""
        with socket.socket(socket.AF_UNIX) as gone:
            gone.bind(self.path)
        self.make()
        self.connect()

    def refused(self) -> str:
        """Return why the socket cannot be bound."""
        (event,) = self.logged("control-failed")
        self.assertEqual(event["address"], self.path)
        reason: str = event["reason"]
        return reason

    def test_live(self) -> None:
        """The socket of a running daemon is not touched; the reason is logged."""
        other = self.closing(socket.socket(socket.AF_UNIX))
        other.bind(self.path)
        other.listen()
        made = self.make()
        self.assertEqual(self.refused(), "Address already in use")
        made.stopService()
        self.connect()

    def test_second(self) -> None:
        """
        A second daemon of a user has a path of its own, and tells it.

        A path that was asked for is not replaced by another one.
        """
        directory = os.path.relpath(self.mktemp())
        self.path = os.path.join(directory, "control")
        first = self.make(usual=True)
        second = self.make(usual=True)
        (event,) = self.logged("control-second")
        self.assertEqual(event["address"], f"{self.path}-2")
        wanted = f"another daemon has {self.path}; give commands --control "
        self.assertEqual(event["reason"], f"{wanted}{self.path}-2")
        self.assertEqual(self.logged("control-failed"), [])
        self.make(self.path)
        self.assertEqual(self.logged("control-failed")[-1]["address"], self.path)
        self.assertEqual(sorted(os.listdir(directory)), ["control", "control-2"])
        first.stopService()
        self.path += "-2"
        self.connect()
        second.stopService()
        self.assertFalse(os.path.exists(self.path))

    def test_foreign(self) -> None:
        """A file is never removed."""
        with open(self.path, "w"):
            pass  # It exists.
        made = self.make()
        self.assertIn("not a socket", self.refused())
        made.stopService()
        self.assertTrue(os.path.isfile(self.path))

    def test_replaced(self) -> None:
        """A file in place of the socket is not removed."""
        made = self.make()
        os.unlink(self.path)
        os.mkdir(self.path)
        made.stopService()
        self.assertTrue(os.path.isdir(self.path))

    def test_directory(self) -> None:
        """The default directory is made and removed; any other must exist."""
        directory = self.path
        self.path = os.path.join(directory, "c")
        self.make()
        self.assertEqual(self.refused(), "No such file or directory")
        made = self.make(usual=True)
        self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700)
        made.stopService()
        self.assertFalse(os.path.exists(directory))

    def test_tooLong(self) -> None:
        """A path that is too long for a socket does not stop the daemon."""
        self.path = "x" * 200
        self.make()
        self.assertIn("too long", self.refused())

    def test_full(self) -> None:
        """With too many connections, the oldest are dropped for new ones."""
        self.make()
        for _ in range(MOST + 1):
            self.connect()
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.reactor.adopted), MOST + 1)
        site = self.reactor.adopted[0][1]
        channels = [site.buildProtocol(None) for _ in range(MOST)]
        for each in channels:
            each.makeConnection(StringTransport())
        site.buildProtocol(None)
        self.assertTrue(channels[0].transport.disconnected)
        self.assertFalse(channels[1].transport.disconnected)

    def test_noDescriptors(self) -> None:
        """Without descriptors clients wait, and the shortage is logged."""
        self.make()
        self.connect()
        self.noDescriptors(lambda: self.reactor.turn(PATIENCE))
        self.assertEqual(len(self.logged("shortage")), 1)
        self.reactor.adoptFailure = OSError(24, "Too many open files")
        self.reactor.advance(1)
        self.reactor.turn(PATIENCE)
        self.assertEqual(self.reactor.adopted, [])


class IsTrustedTests(ServingTestCase):
    """Tests for L{isTrusted}."""

    def test_same(self) -> None:
        """This process' user is trusted."""
        for end in socket.socketpair():
            self.assertTrue(isTrusted(self.closing(end)))

    def test_another(self) -> None:
        """Another user except root is not trusted."""
        ours, theirs = socket.socketpair()
        self.closing(theirs)
        real = os.geteuid()
        self.patch(os, "geteuid", lambda: real + 1)
        self.assertEqual(isTrusted(self.closing(ours)), real == 0)
        self.patch(peer, "_UCRED", FakeCredentials())
        self.assertFalse(isTrusted(ours))

    def test_unknown(self) -> None:
        """Without SO_PEERCRED, the permissions of the path decide."""
        self.patch(peer, "socket", object())
        nobody: Any = None
        self.assertTrue(isTrusted(nobody))


class FakeCredentials:
    """A socket whose peer is user 7."""

    size = 12

    def unpack(self, data: bytes) -> tuple[int, int, int]:
        """Return the credentials."""
        return 1, 7, 7
