# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""An upgrade in place, of the package or of Python, while the daemon runs."""

from __future__ import annotations

import os
import re
import signal
import sys

from tests.support.daemon import Daemon, eventually, freePort, talk, talkOrNothing
from tests.support.interpreters import pythons
from tests.support.processes import forkServers
from tests.support.serving import ServingTestCase
from tests.support.upgrading import Upgraded
from tests.support.users import nameOf, ordinaryUser

#: Sends its user.
IDENTITY = "import os\nprint(os.getresuid(), os.getresgid())\n"


class UpgradeTestCase(ServingTestCase):
    """A daemon whose installation is replaced."""

    def setUp(self) -> None:
        """Install it, and write a program that reports its user."""
        super().setUp()
        self.installed = Upgraded(self)
        self.port = freePort()
        self.user = ordinaryUser()
        self.identity = self.program("identity", IDENTITY)
        uid = os.geteuid() if self.user is None else self.user.pw_uid
        gid = os.getegid() if self.user is None else self.user.pw_gid
        self.wanted = f"{(uid,) * 3} {(gid,) * 3}\n".encode()

    def definition(self, port: int, *keys: str) -> str:
        """Return a service whose program reports its user."""
        first = f"{port} on protocol = tcp, wait = no, user = {nameOf(self.user)}"
        return ", ".join((first, f"exec = {self.identity}", *keys)) + ";\n"

    def start(self) -> Daemon:
        """Serve, and see that the user is right."""
        conf = self.write("inetd.conf", self.definition(self.port))
        daemon = self.installed.daemon(conf, self.port, options=["-l"])
        self.addCleanup(daemon.stop)
        daemon.start()
        self.assertEqual(talk(self.port, b""), self.wanted)
        return daemon

    def killHelpers(self, daemon: Daemon) -> None:
        """Kill all fork servers, and wait until the daemon knows of that."""
        died = daemon.log().count("forkserver-exit ")
        helpers = forkServers(daemon.process.pid)
        self.assertNotEqual(helpers, [])
        for pid in helpers:
            os.kill(pid, signal.SIGKILL)
        daemon.waitForLog("forkserver-exit ", died + len(helpers))


class PackageTests(UpgradeTestCase):
    """The files of the package are replaced."""

    def check(self, daemon: Daemon) -> None:
        """Check that helpers start, also for a new context, and their users."""
        self.killHelpers(daemon)
        other = freePort()
        more = self.definition(other, "umask = 077", f"directory = {self.directory}")
        self.write("inetd.conf", self.definition(self.port) + more)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog(f"listen {other}/tcp")
        for port in (self.port, other, self.port, other):
            self.assertEqual(talk(port, b""), self.wanted)
        self.killHelpers(daemon)
        for port in (self.port, other):
            self.assertEqual(talk(port, b""), self.wanted)

    def test_otherKey(self) -> None:
        """
        Fork servers run the code that the daemon has loaded, after an upgrade.

        The new files have a protocol with another key for the user: no program runs as
        another user.
        """
        daemon = self.start()
        keys = ("uid", "gid", "groups")
        changes = {f'"{key}': f'"other_{key}' for key in keys}
        self.assertGreater(self.installed.replace(changes), 0)
        self.check(daemon)

    def test_broken(self) -> None:
        """Fork servers start when none of the new files can run."""
        daemon = self.start()
        changes = {"from __future__ import annotations": "raise SystemExit('new')"}
        self.assertGreater(self.installed.replace(changes), 50)
        self.check(daemon)


class InterpreterTests(UpgradeTestCase):
    """The interpreter is replaced."""

    def lost(self, daemon: Daemon, reason: str) -> None:
        """
        Check that the log reports each failed start of a fork server.

        Clients are served again when one can be started.
        """
        self.killHelpers(daemon)
        eventually(
            lambda: re.search(reason, daemon.log()),
            lambda: f"{reason!r} in the log:\n{daemon.log()}",
        )
        self.installed.relink(os.path.realpath(self.before))
        eventually(
            lambda: talkOrNothing(self.port, b"") == self.wanted,
            lambda: f"the service; the log:\n{daemon.log()}",
        )

    def start(self) -> Daemon:
        """Remember the interpreter."""
        self.before = os.readlink(self.installed.python)
        return super().start()

    def test_gone(self) -> None:
        """The log reports an interpreter that is gone."""
        daemon = self.start()
        self.installed.relink(None)
        # Older Twisted writes bytes.
        python = re.escape(self.installed.python)
        self.lost(daemon, f"No such file or directory: b?'{python}'")

    def test_another(self) -> None:
        """An interpreter of another version runs no code of this one's."""
        mine = "{}.{}".format(*sys.version_info[:2])
        others = [path for version, path in pythons().items() if version != mine]
        if not others:
            self.skipTest("no other Python is installed")
        daemon = self.start()
        self.installed.relink(others[0])
        self.lost(daemon, "is not the Python of the daemon: restart the daemon")


class WarmTests(UpgradeTestCase):
    """The files of the package are replaced under a warm service."""

    def definition(self, port: int, *keys: str) -> str:
        """Return a warm service that reports its user."""
        return super().definition(port, *keys, "warm = yes")

    def check(self, changes: dict[str, str]) -> None:
        """Replace the files; check that interpreters still start, and their users."""
        daemon = self.start()
        daemon.waitForLog("warm-ready ")
        self.assertGreater(self.installed.replace(changes), 0)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("warm-ready ", 2)
        pid = re.findall(r"warm-ready \S+ pid=(\d+)", daemon.log())[-1]
        os.kill(int(pid), signal.SIGKILL)
        daemon.waitForLog("warm-ready ", 3)
        for _ in range(3):
            self.assertEqual(talk(self.port, b""), self.wanted)
        daemon.waitForLog("start=warm", 3)
        self.assertEqual(daemon.log().count("warm-exit "), 1)

    def test_otherKey(self) -> None:
        """
        Interpreters run the code that the daemon has loaded, after an upgrade.

        The new files have other names for what the daemon sends.
        """
        keys = ("form", "origArgv", "paths", "argv")
        self.check({f'"{key}"': f'"other_{key}"' for key in keys})

    def test_broken(self) -> None:
        """Interpreters start when none of the new files can run."""
        self.check({"from __future__ import annotations": "raise SystemExit('new')"})
