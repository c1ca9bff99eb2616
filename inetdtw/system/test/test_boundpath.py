# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.boundpath}."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any, Callable

from inetdtw.model.service import Ownership, Service, SocketOptions
from inetdtw.system import boundpath, sockets
from inetdtw.system.boundpath import BoundPath
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
)


def createListener(service: Service) -> socket.socket:
    """Create the socket of a service."""
    return sockets.createListener(service)[0]


class PathTests(ServingTestCase):
    """Tests for L{sockets.createListener} and UNIX sockets."""

    def setUp(self) -> None:
        """Make a directory."""
        super().setUp()
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "s")

    def createListener(self, **given: Any) -> socket.socket:
        """Create the socket of a service on the path."""
        return self.closing(createListener(makeUnix(self.path, **given)))

    def mode(self) -> int:
        """Return the permissions of the path."""
        return stat.S_IMODE(os.stat(self.path).st_mode)

    def refused(self, number: int, **given: Any) -> None:
        """Assert that binding fails, and that the path stays as it is."""
        before = os.lstat(self.path)

        def work() -> None:
            why = self.assertRaises(OSError, self.createListener, **given)
            self.assertEqual(why.errno, number)

        self.leavesNothingOpen(work)
        self.assertEqual(os.lstat(self.path).st_ino, before.st_ino)

    def test_kinds(self) -> None:
        """Sockets of all types are bound to paths."""
        for socktype in (
            socket.SOCK_STREAM,
            socket.SOCK_DGRAM,
            socket.SOCK_SEQPACKET,
        ):
            server = self.createListener(socktype=socktype)
            client = self.client(server)
            client.send(b"hello")
            server.settimeout(PATIENCE)
            if socktype != socket.SOCK_DGRAM:
                server = self.closing(server.accept()[0])
                server.settimeout(PATIENCE)
            self.assertEqual(server.recv(100), b"hello")
            os.unlink(self.path)

    def test_mode(self) -> None:
        """The path has exactly the configured permissions, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0o077))
        self.createListener()
        self.assertEqual(self.mode(), 0o600)
        os.unlink(self.path)
        self.createListener(ownership=Ownership(mode=0o666))
        self.assertEqual(self.mode(), 0o666)
        self.assertEqual(os.umask(0o077), 0o077)

    def test_neverWider(self) -> None:
        """The permissions are never wider than configured."""
        seen: list[int] = []

        def watching(call: Callable[..., object]) -> Callable[..., None]:
            def watched(*given: Any, **named: Any) -> None:
                call(*given, **named)
                if os.path.lexists(self.path):
                    seen.append(self.mode())

            return watched

        class Watched(socket.socket):
            bind = watching(socket.socket.bind)

        self.addCleanup(os.umask, os.umask(0))
        for name in ("chown", "chmod", "fchmod"):
            self.patch(os, name, watching(getattr(os, name)))
        sock = self.closing(Watched(socket.AF_UNIX))
        mine = (os.geteuid(), os.getegid())
        boundpath.bindPath(sock, self.path, Ownership(*mine, 0o660))
        self.assertEqual(seen, [0, 0, 0o660])

    def test_replacedAtOnce(self) -> None:
        """A file that replaces the socket at once is neither changed nor removed."""
        there = os.path.join(self.directory, "there")
        precious = self.closing(socket.socket(socket.AF_UNIX))
        # Only so short a path is none too long.
        precious.bind(there)
        os.chmod(there, 0o600)
        there = os.path.abspath(there)

        class Replaced(socket.socket):
            replace: Callable[[str, str], None]

            def bind(self, path: Any) -> None:
                super().bind(path)
                os.unlink(path)
                self.replace(there, path)

        for replace in (os.symlink, os.link):
            sock = Replaced(socket.AF_UNIX)
            self.closing(sock)
            sock.replace = replace
            ownership = Ownership(mode=0o666)
            self.assertRaises(OSError, boundpath.bindPath, sock, self.path, ownership)
            self.assertEqual(stat.S_IMODE(os.stat(there).st_mode), 0o600)
            os.unlink(self.path)

    def test_owner(self) -> None:
        """The path has the configured owner and group."""
        if os.getuid() != 0:
            self.skipTest("only root can give it away")
        self.createListener(ownership=Ownership(65534, 65533, 0o640))
        about = os.stat(self.path)
        self.assertEqual((about.st_uid, about.st_gid), (65534, 65533))
        self.assertEqual(self.mode(), 0o640)

    def test_ownerFails(self) -> None:
        """If the owner cannot be set, binding fails."""

        def chown(*arguments: Any, **options: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        self.patch(os, "chown", chown)

        def work() -> None:
            self.assertRaises(OSError, self.createListener, ownership=Ownership(uid=1))

        self.leavesNothingOpen(work)
        self.assertFalse(os.path.lexists(self.path))

    def test_stale(self) -> None:
        """A stale socket of any type is replaced."""
        for socktype in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            self.createListener(socktype=socktype).close()
            self.assertTrue(os.path.exists(self.path))
            self.client(self.createListener())
            os.unlink(self.path)

    def test_inUse(self) -> None:
        """The socket of a running daemon is not touched."""
        self.createListener()
        self.refused(errno.EADDRINUSE)

    def test_inUseAndFull(self) -> None:
        """A socket in use is not touched when its backlog is full."""
        self.createListener(options=SocketOptions(backlog=0))
        for _ in range(5):
            client = self.closing(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(self.path)
        self.refused(errno.EADDRINUSE)

    def test_inUseOtherwise(self) -> None:
        """A socket in use of another type is not touched."""
        self.createListener(socktype=socket.SOCK_DGRAM)
        self.refused(errno.EPROTOTYPE)

    def test_foreign(self) -> None:
        """A file that is not a socket is not touched."""
        with open(self.path, "w") as file:
            file.write("precious")
        self.refused(errno.EEXIST)
        with open(self.path) as file:
            self.assertEqual(file.read(), "precious")

    def test_directory(self) -> None:
        """A directory at the path is not removed."""
        os.mkdir(self.path)
        self.refused(errno.EEXIST)

    def test_symlink(self) -> None:
        """A symbolic link is neither followed nor removed."""
        there = os.path.join(self.directory, "there")
        createListener(makeUnix(there)).close()
        for target in (os.path.abspath(there), "/nowhere"):
            os.symlink(target, self.path)
            self.refused(errno.EEXIST)
            os.unlink(self.path)
        self.assertTrue(stat.S_ISSOCK(os.lstat(there).st_mode))
        self.assertFalse(os.path.exists("/nowhere"))

    def test_inUnfixed(self) -> None:
        """The socket is made in the open directory if its path can change."""
        inner = os.path.join(self.directory, "inner")
        os.mkdir(inner)
        os.chmod(self.directory, 0o777)
        self.path = os.path.join(inner, "s")
        self.createListener()
        client = self.closing(socket.socket(socket.AF_UNIX))
        client.connect(self.path)
        self.assertEqual(os.listdir(inner), ["s"])

    def test_listenFails(self) -> None:
        """If listen(2) fails, the path is removed."""

        class Deaf(socket.socket):
            def listen(self, *given: Any) -> None:
                raise OSError(errno.EADDRINUSE, "Address already in use")

        self.patch(socket, "socket", Deaf)
        self.assertRaises(OSError, self.createListener)
        self.assertFalse(os.path.lexists(self.path))

    def test_noDirectory(self) -> None:
        """Without the directory binding fails, and the umask stays."""
        self.addCleanup(os.umask, os.umask(0o027))
        missing = makeUnix(os.path.join(self.directory, "none", "s"))
        before = openDescriptors()
        self.assertRaises(FileNotFoundError, createListener, missing)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(os.umask(0o027), 0o027)


class BoundPathTests(ServingTestCase):
    """Tests for L{BoundPath}."""

    def setUp(self) -> None:
        """Bind a socket to a path."""
        super().setUp()
        self.path = self.mktemp()
        self.service = makeUnix(self.path)
        server, mark = sockets.createListener(self.service)
        self.server = self.closing(server)
        assert mark is not None
        self.mark: BoundPath = mark

    def mode(self, path: str) -> int:
        """Return the permissions of a file."""
        return stat.S_IMODE(os.stat(path).st_mode)

    def test_give(self) -> None:
        """The permissions can be changed later, and the owner stays."""
        before = os.stat(self.path)
        self.mark.chown(Ownership(mode=0o606))
        self.assertEqual(self.mode(self.path), 0o606)
        after = os.stat(self.path)
        self.assertEqual((after.st_uid, after.st_gid), (before.st_uid, before.st_gid))

    def test_giveAnother(self) -> None:
        """The permissions of another file at the path are not changed."""
        os.rename(self.path, self.path + ".old")
        other = self.path + ".other"
        self.closing(createListener(makeUnix(other)))
        for replace in (os.symlink, os.link):
            replace(os.path.abspath(other), self.path)
            self.assertRaises(OSError, self.mark.chown, Ownership(mode=0o666))
            self.assertEqual(self.mode(other), 0o600)
            os.unlink(self.path)
        self.assertRaises(OSError, self.mark.chown, Ownership(mode=0o666))

    def test_remove(self) -> None:
        """The path of a socket can be removed, once."""
        self.mark.remove()
        self.assertFalse(os.path.lexists(self.path))
        self.mark.remove()

    def test_another(self) -> None:
        """Another file at the path is not removed."""
        os.rename(self.path, self.path + ".old")
        with open(self.path, "w"):
            pass  # Another file.
        self.mark.remove()
        self.assertTrue(os.path.exists(self.path))
        os.unlink(self.path)
        self.closing(createListener(self.service))
        self.mark.remove()
        self.assertTrue(os.path.exists(self.path))

    def test_noPath(self) -> None:
        """A service with a port has no L{BoundPath}."""
        server, mark = sockets.createListener(makeService())
        self.closing(server)
        self.assertIsNone(mark)
