# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Privileges of programs, and their isolation, when root runs the daemon."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support import users
from tests.support.daemon import (
    TOKEN,
    Daemon,
    environment,
    eventually,
    freePort,
    talk,
)
from tests.support.processes import forkServers, status
from tests.support.serving import ServingTestCase, inetd

#: Reports what it is and has; and keeps something for those after it, if it can.
PROBE = """
import builtins, json, os, sys

def status(pid):
    with open(f"/proc/{pid}/status") as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.split() for name, _, value in pairs}

def refused(call, *given):
    try:
        call(*given)
    except PermissionError:
        return True
    return False

found = {"me": status("self"), "parent": status(os.getppid())}
found["fds"] = {}
for fd in os.listdir("/proc/self/fd"):
    try:
        found["fds"][fd] = os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        pass
found["env"] = dict(os.environ)
found["seen"] = getattr(builtins, "kept", None)
builtins.kept = os.getpid()
found["refused"] = [
    refused(os.setuid, 0), refused(os.seteuid, 0), refused(os.setgid, 0),
    refused(os.setgroups, [0]), refused(os.chroot, "/"),
    refused(os.setresuid, 0, 0, 0),
]
print(json.dumps(found), flush=True)
"""

WAYS = ("launch = forkserver", "launch = direct", "warm = yes", "rlimit_core = 0")


class PrivilegesTests(ServingTestCase):
    """Programs of users that are not root."""

    if not users.ROOT:
        skip = users.NOT_ROOT

    def setUp(self) -> None:
        """Serve one program in every way, as two users."""
        super().setUp()
        self.users = [users.alpine(), pwd.getpwnam("nobody")]
        program = self.program("probe", PROBE)
        self.ports = {(u.pw_name, w): freePort() for u in self.users for w in WAYS}
        lines = "".join(
            f"{port} on protocol = tcp, wait = no, user = {user}, exec = {program},"
            f" env = SECRET_OF_{user}=x, {way};\n"
            for (user, way), port in self.ports.items()
        )
        self.served = self.daemon(lines, *self.ports.values())
        self.served.start()
        self.addCleanup(self.served.stop)
        self.served.waitForLog("warm-ready ", 2)

    def assertRuns(self, status: Any, user: pwd.struct_passwd) -> None:
        """
        Assert that a process has exactly the identity of a user.

        This is the user's ids, real, effective, saved and for files, the groups, and no
        capability.
        """
        groups = sorted(set(os.getgrouplist(user.pw_name, user.pw_gid)))
        self.assertEqual(status["Uid"], [str(user.pw_uid)] * 4)
        self.assertEqual(status["Gid"], [str(user.pw_gid)] * 4)
        self.assertEqual(sorted(map(int, status["Groups"])), groups)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name][0], 16), 0, name)

    def ask(self, user: str, way: str) -> Any:
        """Return what the program of a service sends."""
        return self.probe(self.ports[user, way])

    def probe(self, port: int) -> Any:
        """Return what the program on a port sends."""
        return json.loads(talk(port, b""))

    def test_identity(self) -> None:
        """
        A program has exactly the identity of its user, and no way back.

        This is the user's ids, real, effective, saved and for files, the groups, and no
        capability.
        """
        for user in self.users:
            for way in WAYS:
                with self.subTest(user=user.pw_name, way=way):
                    found = self.ask(user.pw_name, way)
                    self.assertRuns(found["me"], user)
                    self.assertEqual(found["refused"], [True] * 6)

    def test_helpers(self) -> None:
        """
        Fork servers and warm processes have exactly the identity of their user.

        They have it before the first client: a program of the same user can control
        them.
        """
        owners = {user.pw_uid for user in self.users}
        eventually(lambda: self._owners() == owners, lambda: str(self._owners()))
        for user in self.users:
            for way in ("launch = forkserver", "warm = yes"):
                with self.subTest(user=user.pw_name, way=way):
                    self.assertRuns(self.ask(user.pw_name, way)["parent"], user)

    def _owners(self) -> set[int]:
        """Return the users of the fork servers."""
        found = map(status, forkServers(self.served.process.pid))
        return {int(each["Uid"].split()[0]) for each in found if each}

    def test_anotherUser(self) -> None:
        """
        A warm service that becomes another user's has processes of that only.

        No process of the former user serves a client on the same socket.
        """
        one, two = self.users
        port, path = self.ports[one.pw_name, "warm = yes"], self.path("inetd.conf")
        with open(path, encoding="utf-8") as file:
            lines = file.read()
        for old, new in ((one, two), (two, one)):
            process = self.probe(port)["parent"]["Pid"]
            lines = re.sub(
                rf"(?m)^({port} .* user = ){old.pw_name}(?=,)",
                rf"\1{new.pw_name}",
                lines,
            )
            self.write("inetd.conf", lines)
            count = self.served.log().count(f"change {port}/tcp")
            self.served.process.send_signal(signal.SIGHUP)
            self.served.waitForLog(f"change {port}/tcp", count + 1)
            with ThreadPoolExecutor(4) as pool:
                found = list(pool.map(lambda _: self.probe(port), range(20)))
            for each in found:
                self.assertRuns(each["me"], new)
                self.assertRuns(each["parent"], new)
                self.assertNotEqual(each["parent"]["Pid"], process)
                self.assertIsNone(each["seen"])

    def test_isolation(self) -> None:
        """
        A program has no descriptor but its client's, and nothing of others.

        It sees neither another service's environment nor what another client's program
        left. A warm process serves its own user only.
        """
        parents: dict[str, set[str]] = {}
        for user in self.users:
            other = next(u for u in self.users if u is not user)
            for way in WAYS:
                for _ in range(2):
                    found = self.ask(user.pw_name, way)
                    rest = {fd for fd, to in found["fds"].items() if int(fd) > 2}
                    self.assertEqual(rest, set(), (way, found["fds"]))
                    links = {found["fds"][fd] for fd in "012"}
                    self.assertEqual(len(links), 1)
                    self.assertRegex(links.pop(), "^socket:")
                    env = found["env"]
                    self.assertIn(f"SECRET_OF_{user.pw_name}", env)
                    self.assertNotIn(f"SECRET_OF_{other.pw_name}", env)
                    self.assertIsNone(found["seen"])
            warm = self.ask(user.pw_name, "warm = yes")["parent"]
            self.assertEqual(warm["Uid"], [str(user.pw_uid)] * 4)
            parents[user.pw_name] = set(warm["Pid"])
        self.assertEqual(len(set.union(*parents.values())), 2)


class EnvironmentTests(ServingTestCase):
    """The environment of programs of other users."""

    if not users.ROOT:
        skip = users.NOT_ROOT

    #: What a daemon may have from a login, a service manager or elsewhere.
    NOT_SHARED = (
        *("XDG_RUNTIME_DIR", "XDG_SESSION_ID", "DBUS_SESSION_BUS_ADDRESS"),
        *("XAUTHORITY", "KRB5CCNAME", "SUDO_USER", "SUDO_COMMAND", "OLDPWD"),
        *("JOURNAL_STREAM", "INVOCATION_ID", "MAINPID", "MAIL", "SECRET"),
        *("LANGUAGE", "BASH_ENV", "LC", "TZDIR"),
    )

    def test_builtUp(self) -> None:
        """
        A program of another user has a new environment, by all launchers.

        It has PATH, the login variables, the time zone, the locale, and what the line
        sets.
        """
        user = users.alpine()
        program = self.program("probe", PROBE)
        ports = [freePort() for _ in range(3)]
        ways = ("launch = forkserver", "launch = direct", "warm = yes")
        conf = "".join(
            f"{port} on protocol = tcp, wait = no, user = {user.pw_name},"
            f" exec = {program}, env = MORE=x, {way};\n"
            for port, way in zip(ports, ways)
        )
        shared = {"TZ": "UTC", "LANG": "C.UTF-8", "LC_TIME": "C"}
        wanted = {
            **shared,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
            "HOME": user.pw_dir,
            "SHELL": user.pw_shell,
            "MORE": "x",
        }
        env = {**environment(), **shared, **dict.fromkeys(self.NOT_SHARED, "daemon")}
        env["INETD_CONTROL"] = self.path("control")
        with self.daemon(conf, *ports, env=env) as daemon:
            daemon.waitForLog("warm-ready ")
            for port, way in zip(ports, ways):
                found = json.loads(talk(port, b""))["env"]
                # The variables of the connection, and of this test, are added.
                for name in list(found):
                    if name.startswith(("TCP", "REMOTE_", "PROTO", TOKEN, "LC_CTYPE")):
                        del found[name]
                self.assertEqual(found, wanted, way)

    def test_passed(self) -> None:
        """C{passenv} passes any variable of the daemon's that it names."""
        program, port = self.program("probe", PROBE), freePort()
        conf = (
            f"{port} on protocol = tcp, wait = no, user = {users.alpine().pw_name},"
            f" exec = {program}, passenv = SUDO_USER;\n"
        )
        with self.daemon(conf, port, env=environment(SUDO_USER="me", SECRET="x")):
            found = json.loads(talk(port, b""))["env"]
        self.assertEqual(found["SUDO_USER"], "me")
        self.assertNotIn("SECRET", found)


class FilesTests(ServingTestCase):
    """Files that others can reach."""

    def _serve(self, path: str, *more: str) -> Daemon:
        """Return a daemon that reads a file, until the test ends."""
        daemon = Daemon(inetd("-f", "-e", *more, path))
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def test_writable(self) -> None:
        """
        A configuration file that others can change draws a warning.

        So does one that others own, an included one, and one in a directory where
        others can replace it. One that only root can change draws none.
        """
        reasons = {"good": "", "wide": "writable by users other than its owner"}
        for directory, mode in (("all", 0o777), ("group", 0o775), ("their", 0o755)):
            os.mkdir(self.path(directory))
            os.chmod(self.path(directory), mode)
            reasons[f"{directory}/inner"] = "other users can replace the file"
        if users.ROOT:
            user = users.alpine().pw_uid
            reasons["owned"] = f"owned by user {user}"
            reasons["their/inner"] = f"user {user} owns the directory"
            os.chown(self.path("group"), 0, user)
            os.chown(self.path("their"), user, -1)
        else:
            del reasons["group/inner"], reasons["their/inner"]
        line = f"{freePort()} stream tcp nowait - internal echo\n"
        for name in reasons:
            self.write(name, "", 0o666 if name == "wide" else 0o644)
            line += f".include {self.path(name)}\n"
        if users.ROOT:
            os.chown(self.path("owned"), user, -1)
        reasons["inetd.conf"] = reasons["wide"]
        daemon = self._serve(self.write("inetd.conf", line, 0o666))
        daemon.waitForLog("listen ")
        for name, reason in reasons.items():
            words = re.findall(f"config-warning {self.path(name)}:1:1 .*", daemon.log())
            self.assertEqual([reason in each for each in words], [True] * bool(reason))

    def test_paths(self) -> None:
        """
        A file at the path of a UNIX socket stays, and the log has the reason.

        It is a file, a directory, a symbolic link, or the socket of a running process.
        """
        kept = self.write("kept", "precious")
        os.symlink(kept, self.path("link"))
        os.mkdir(self.path("directory"))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path("used"))
            other.listen()
            os.symlink(self.path("used"), self.path("toUsed"))
            names = ("kept", "link", "directory", "used", "toUsed")
            lines = "".join(
                f"{self.path(name)} stream unix nowait - internal echo\n"
                for name in names
            )
            port = freePort()
            lines += f"{port} stream tcp nowait - internal echo\n"
            daemon = self._serve(self.write("inetd.conf", lines))
            daemon.waitForLog("bind-failed ", len(names))
            daemon.waitForLog("listen ")
            daemon.stop()
            with open(kept, encoding="utf-8") as file:
                self.assertEqual(file.read(), "precious")
            for name in ("link", "toUsed"):
                self.assertTrue(os.path.islink(self.path(name)))
            self.assertTrue(os.path.isdir(self.path("directory")))
            self.assertTrue(os.path.exists(self.path("used")))
