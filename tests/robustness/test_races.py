# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Another user exchanges files while root's daemon creates and removes its own.

They are in a directory of that user.
"""

from __future__ import annotations

import os
import pwd
import socket
import subprocess

from inetdtw.model.service import Ownership
from inetdtw.system import boundpath
from tests.support import interpreters, users
from tests.support.daemon import DEADLINE, Daemon, eventually, freePort
from tests.support.serving import ServingTestCase, inetd, run

#: Becomes a user, and does something without end until its input ends.
_LOOP = """
import ctypes, os, select, sys
uid, code, *given = sys.argv[1:]
os.setgroups([]); os.setgid(int(uid)); os.setuid(int(uid))
libc = ctypes.CDLL(None, use_errno=True)

def exchange(a, b):
    libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2)

act = compile(code, "act", "exec")
print(flush=True)
while not select.select([0], [], [], 0)[0]:
    for _ in range(50):
        try:
            exec(act)
        except OSError:
            pass
"""
PRECIOUS = "root's own\n"


class RaceTestCase(ServingTestCase):
    """A test with a directory of another user."""

    if not users.ROOT:
        skip = users.NOT_ROOT

    def setUp(self) -> None:
        """Make the directory, and a file of root in it."""
        super().setUp()
        self.user: pwd.struct_passwd = users.alpine()
        self.theirs = self.path("theirs")
        os.mkdir(self.theirs)
        os.chown(self.theirs, self.user.pw_uid, self.user.pw_gid)
        self.precious = os.path.join(self.theirs, "precious")
        self.file = open(self.precious, "w+")  # noqa: SIM115 - as long as the test
        self.addCleanup(self.file.close)
        self.file.write(PRECIOUS)
        self.file.flush()

    def attack(self, code: str, *given: str) -> None:
        """Run a loop as the user until the test ends."""
        argv = [interpreters.python(), "-c", _LOOP, str(self.user.pw_uid), code, *given]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(process.communicate, timeout=DEADLINE)
        assert process.stdout is not None
        self.assertEqual(process.stdout.read(1), b"\n")

    def assertThere(self) -> None:
        """Assert that the file of root's is still in a directory, by any name."""
        self.assertEqual(os.fstat(self.file.fileno()).st_nlink, 1)


class SocketTests(RaceTestCase):
    """UNIX sockets."""

    def setUp(self) -> None:
        """Choose a path."""
        super().setUp()
        self.there = os.path.join(self.theirs, "s")

    def stale(self) -> None:
        """Make a stale socket."""
        if not os.path.lexists(self.there):
            with socket.socket(socket.AF_UNIX) as gone:
                gone.bind(self.there)

    def test_stale(self) -> None:
        """
        A file of root's in the place of a stale socket is never removed.

        The user exchanges them at any moment.
        """
        self.attack("exchange(*given)", self.precious, self.there)
        for _ in range(1000):
            self.stale()
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    mark = boundpath.bindPath(sock, self.there, Ownership())
                except OSError:
                    pass  # The file exists.
                else:
                    mark.remove()
            self.assertThere()

    def test_end(self) -> None:
        """A file of root's is not removed when the socket is removed at the end."""
        self.attack("exchange(*given)", self.precious, self.there)
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    mark = boundpath.bindPath(sock, self.there, Ownership())
                except OSError:
                    continue
                mark.remove()
            self.assertThere()

    def test_elsewhere(self) -> None:
        """
        No socket is made in a directory of root's behind the user's link.

        The link is a directory of the path.
        """
        roots, inner = self.path("roots"), os.path.join(self.theirs, "inner")
        os.mkdir(roots)
        for name in ("inner", "link"):
            path = os.path.join(self.theirs, name)
            os.mkdir(path) if name == "inner" else os.symlink(roots, path)
            os.lchown(path, self.user.pw_uid, self.user.pw_gid)
        self.attack("exchange(*given)", inner, os.path.join(self.theirs, "link"))
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as sock:
                try:
                    boundpath.bindPath(sock, f"{inner}/s", Ownership()).remove()
                except OSError:
                    pass  # The link leads there.
            self.assertEqual(os.listdir(roots), [])


class DaemonTests(RaceTestCase):
    """A daemon of root's."""

    def serve(self, pid: str) -> Daemon:
        """Return a daemon with a pid file."""
        conf = self.write(
            "inetd.conf", f"{self.port} stream tcp nowait - internal echo\n"
        )
        return Daemon(inetd("-f", "-e", "-p", pid, conf))

    def setUp(self) -> None:
        """Choose a port."""
        super().setUp()
        self.port = freePort()

    def startAndStop(self, daemon: Daemon) -> None:
        """Start a daemon, which may refuse to, and stop it."""
        daemon.start()
        eventually(
            lambda: daemon.process.poll() is not None or " listen " in daemon.log(),
            daemon.log,
        )
        daemon.stop()

    def test_pidFile(self) -> None:
        """A file of root's behind a link at the pid file's path is not overwritten."""
        pid = os.path.join(self.theirs, "pid")
        victim = self.write("victim", PRECIOUS)
        code = "os.symlink(*given)\nos.unlink(given[1])"
        self.attack(code, victim, pid)
        for _ in range(6):
            self.startAndStop(self.serve(pid))
            with open(victim, encoding="utf-8") as file:
                self.assertEqual(file.read(), PRECIOUS)

    def test_pidFileElsewhere(self) -> None:
        """A pid file is not made where a link of the user leads."""
        link = os.path.join(self.theirs, "link")
        os.symlink(self.path("."), link)
        os.lchown(link, self.user.pw_uid, -1)
        conf = self.write("inetd.conf", "0 stream tcp nowait - internal echo\n")
        done = run(inetd("-f", "-e", "-p", f"{link}/pid", conf))
        self.assertEqual(done.returncode, 1)
        self.assertIn("is a symbolic link of user", done.stderr)
        self.assertFalse(os.path.exists(self.path("pid")))

    def test_another(self) -> None:
        """A file that replaced the pid file is not removed at the end."""
        pid = os.path.join(self.theirs, "pid")
        with self.serve(pid) as daemon:
            daemon.waitForLog(" listen ")
            with open(pid, encoding="utf-8") as file:
                self.assertEqual(file.read(), str(daemon.process.pid))
            os.rename(self.precious, pid)
        with open(pid, encoding="utf-8") as file:
            self.assertEqual(file.read(), PRECIOUS)
