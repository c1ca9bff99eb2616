# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Process contexts of programs, by the keys of a definition."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from tests.support import users
from tests.support.context import ANSWER, WAYS, ContextTestCase
from tests.support.daemon import environment, eventually, freePort, talk, twistd
from tests.support.processes import forkServers
from tests.support.serving import run
from tests.support.users import nameOf, ordinaryUser


def mayRaiseLimits() -> bool:
    """Return whether this process has C{CAP_SYS_RESOURCE}, capabilities(7)."""
    with open("/proc/self/status", encoding="ascii") as lines:
        effective = next(line for line in lines if line.startswith("CapEff"))
    return bool(int(effective.split()[1], 16) & 1 << 24)


class KeyTests(ContextTestCase):
    """The effect of each key."""

    def test_default(self) -> None:
        """By default the umask is 022, the directory / and the rest the daemon's."""
        found = self.probe()
        self.assertEqual((found["umask"], found["directory"]), (0o022, "/"))
        self.assertEqual(found["nice"], os.nice(0))

    def test_umask(self) -> None:
        """C{umask} is the file creation mask, by both ways to launch."""
        self.assertEqual(self.probe("umask = 027")["umask"], 0o027)
        self.assertEqual(self.probe("umask = 077", "launch = direct")["umask"], 0o077)

    def test_directory(self) -> None:
        """C{directory} is where the program starts."""
        found = self.probe(f"directory = {self.directory}")
        self.assertEqual(found["directory"], os.path.realpath(self.directory))

    def test_home(self) -> None:
        """C{directory = ~} is the user's home."""
        user = ordinaryUser()
        found = self.probe("directory = ~", user=nameOf(user))
        home = os.environ.get("HOME", "/") if user is None else user.pw_dir
        self.assertEqual(found["directory"], os.path.realpath(home))

    def test_missingDirectory(self) -> None:
        """
        While the directory is missing, clients are closed with a log line.

        Once it exists, clients are served.
        """
        port = freePort()
        later = self.path("later")
        conf = self.definition(port, f"directory = {later}")
        with self.daemon(conf, port) as daemon:
            self.assertEqual(talk(port, b""), b"")
            daemon.waitForLog(later)
            os.mkdir(later)
            os.chmod(later, 0o755)
            self.assertEqual(json.loads(talk(port, b""))["directory"], later)

    def test_nice(self) -> None:
        """C{nice} lowers the priority."""
        self.assertEqual(self.probe("nice = 3")["nice"], os.nice(0) + 3)

    def test_rlimits(self) -> None:
        """C{rlimit_...} sets the soft and the hard limit, and leaves the others."""
        found = self.probe("rlimit_files = 40:50", "rlimit_cpu = 7", "rlimit_core = 0")
        limits = found["limits"]
        self.assertEqual(limits["RLIMIT_NOFILE"], [40, 50])
        self.assertEqual(limits["RLIMIT_CPU"], [7, 7])
        self.assertEqual(limits["RLIMIT_CORE"], [0, 0])
        self.assertEqual(limits["RLIMIT_AS"], self.probe()["limits"]["RLIMIT_AS"])

    def test_directCannot(self) -> None:
        """Keys that a direct launch cannot set are errors."""
        conf = self.definition(freePort(), "nice = 3", "launch = direct")
        done = run(twistd("inetd", "--conf", self.write("bad.conf", conf)))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("launch: 'direct' cannot set nice", done.stdout + done.stderr)

    def test_separate(self) -> None:
        """Services with different contexts see nothing of each other's."""
        ports = [freePort() for _ in range(3)]
        conf = "".join(
            self.definition(port, *keys)
            for port, keys in zip(
                ports, (("umask = 077", "nice = 5"), (), ("rlimit_files = 44",))
            )
        )
        with self.daemon(conf, *ports):
            for _ in range(3):
                first, second, third = (json.loads(talk(p, b"")) for p in ports)
        self.assertEqual(
            [found["umask"] for found in (first, second, third)], [0o077, 0o022, 0o022]
        )
        self.assertEqual(first["nice"] - second["nice"], 5)
        self.assertEqual(second["nice"], third["nice"])
        self.assertEqual(third["limits"]["RLIMIT_NOFILE"], [44, 44])
        self.assertNotEqual(second["limits"]["RLIMIT_NOFILE"], [44, 44])


class ChangedTests(ContextTestCase):
    """Paths whose targets change while the daemon runs."""

    def link(self, name: str, target: str) -> str:
        """
        Make a symbolic link, or switch it.

        @return: its path.
        """
        path = self.path(name)
        os.symlink(target, f"{path}.new")
        os.rename(f"{path}.new", path)
        return path

    def test_switched(self) -> None:
        """
        Programs start in the new target of a symbolic link, for the next client.

        It is so for all launchers and users.
        """
        for name in ("one", "two"):
            os.mkdir(self.path(name), mode=0o755)
        current = self.link("current", "one")
        names = ["-", *({nameOf(ordinaryUser())} if users.ROOT else ())]
        keys = [(way, user) for way in WAYS for user in names]
        ports = [freePort() for _ in keys]
        conf = "".join(
            self.definition(port, f"directory = {current}", *way, user=user)
            for port, (way, user) in zip(ports, keys)
        )
        with self.daemon(conf, *ports):
            for name in ("one", "two", "one"):
                self.link("current", name)
                found = [json.loads(talk(port, b""))["directory"] for port in ports]
                wanted = os.path.realpath(self.path(name))
                self.assertEqual(found, [wanted] * len(ports))

    def test_anew(self) -> None:
        """
        While the directory is missing, clients are closed with a log line.

        Programs start in the new one when it exists.
        """
        directory = self.path("here")
        os.mkdir(directory, mode=0o755)
        ports = [freePort() for _ in WAYS]
        conf = "".join(
            self.definition(port, f"directory = {directory}", *way)
            for port, way in zip(ports, WAYS)
        )
        with self.daemon(conf, *ports) as daemon:
            for port in ports:
                self.assertEqual(json.loads(talk(port, b""))["directory"], directory)
            os.rmdir(directory)
            for port in ports:
                self.assertEqual(talk(port, b""), b"")
            reason = f"{directory}: No such file or directory"
            daemon.waitForLog(reason, len(ports))
            os.mkdir(directory, mode=0o755)
            for port in ports:
                self.assertEqual(json.loads(talk(port, b""))["directory"], directory)

    def test_datagrams(self) -> None:
        """So do programs that are started again for further datagrams."""
        for name in ("one", "two"):
            os.mkdir(self.path(name), mode=0o755)
        current = self.link("current", "one")
        program = self.program("answer", ANSWER)
        port = freePort()
        conf = (
            f"{port} on protocol = udp, socktype = dgram, wait = yes, user = -, "
            f"exec = {program}, directory = {current};\n"
        )
        client = self.datagrams()
        with self.daemon(conf, port):
            for name in ("one", "two"):
                self.link("current", name)
                for _ in range(3):
                    client.sendto(b"where", ("127.0.0.1", port))
                answers = {client.recv(1000) for _ in range(3)}
                self.assertEqual(answers, {os.path.realpath(self.path(name)).encode()})

    def test_path(self) -> None:
        """
        Each start takes the first program in PATH.

        No client is lost when it is removed, and one earlier in PATH is the next
        client's.
        """
        for name in ("one", "two"):
            os.mkdir(self.path(name), mode=0o755)
        self.write("two/which", "#!/bin/sh\necho two\n", 0o755)
        ports = [freePort() for _ in WAYS]
        keys = ("protocol = tcp", "wait = no", "user = -", "exec = which")
        conf = "".join(
            f"{port} on {', '.join((*keys, *way))};\n" for port, way in zip(ports, WAYS)
        )
        path = f"{self.path('one')}:{self.path('two')}:/usr/bin:/bin"
        env = {**environment(), "PATH": path}
        with self.daemon(conf, *ports, env=env) as daemon:
            for _ in range(2):
                for port in ports:
                    self.assertEqual(talk(port, b""), b"two\n")
                self.write("one/which", "#!/bin/sh\necho one\n", 0o755)
                for port in ports:
                    self.assertEqual(talk(port, b""), b"one\n")
                os.unlink(self.path("one/which"))
            self.assertNotIn("start-failed ", daemon.log())


class RootKeyTests(ContextTestCase):
    """Keys that need root."""

    if not users.ROOT:
        skip = "only root can do that"

    def test_noGroups(self) -> None:
        """C{groups = no} leaves the first group only."""
        user = users.alpine()
        found = self.probe("groups = no", user=user.pw_name)
        self.assertEqual(found["groups"], [user.pw_gid])
        self.assertEqual(found["ids"], [user.pw_uid] * 3 + [user.pw_gid] * 3)

    def test_namedGroups(self) -> None:
        """C{groups} with names gives these, with the first group."""
        user = users.alpine()
        found = self.probe("groups = daemon", user=user.pw_name)
        self.assertEqual(sorted(found["groups"]), sorted({1, user.pw_gid}))

    def test_raised(self) -> None:
        """
        A limit above the daemon's own is set for a program of another user.

        Where not even root can raise it, every client is closed with a log line.
        """
        port, user = freePort(), users.alpine().pw_name
        conf = self.definition(port, "rlimit_files = 100000", user=user)
        with self.daemon(conf, port) as daemon:
            found = talk(port, b"")
            if mayRaiseLimits():
                limits = json.loads(found)["limits"]
                self.assertEqual(limits["RLIMIT_NOFILE"], [100000, 100000])
                return
            self.assertEqual(found, b"")
            daemon.waitForLog("Operation not permitted")

    def test_accessList(self) -> None:
        """
        A program that an access control list lets the user execute is executed.

        It is so for one in PATH too, without a warning.
        """
        if shutil.which("setfacl") is None:
            self.skipTest("setfacl is not installed")
        user = users.alpine().pw_name
        program = self.write("listed", "#!/bin/sh\necho here\n", 0o700)
        subprocess.run(["setfacl", "-m", f"u:{user}:rx", program], check=True)
        self.write("forbidden", "#!/bin/sh\necho here\n", 0o700)
        programs = [program, "listed", self.path("forbidden")]
        lines = []
        for number, way in enumerate(WAYS * 3):
            port, name = freePort(), programs[number // 3]
            keys = (f"user = {user}", f"exec = {name}", *way)
            line = ", ".join((f"{port} on protocol = tcp, wait = no", *keys))
            lines.append((port, f"{line};\n"))
        ports = [port for port, _ in lines]
        conf = "".join(line for _, line in lines)
        env = environment()
        env["PATH"] = f"{self.directory}:{env['PATH']}"
        with self.daemon(conf, *ports, env=env) as daemon:
            for port in ports[:6]:
                self.assertEqual(talk(port, b""), b"here\n")
            self.assertEqual(daemon.log().count("(yet)"), 3)
            for port in ports[6:]:
                self.assertEqual(talk(port, b""), b"")
            daemon.waitForLog(f"'{self.path('forbidden')}': Permission denied", 3)

    def test_chroot(self) -> None:
        """C{chroot} is the root of the program, and its path begins there."""
        jail = self.path("jail")
        os.makedirs(os.path.join(jail, "bin"))
        shutil.copy(self._static(), os.path.join(jail, "bin", "list"))
        port = freePort()
        with self.daemon(self.jailed(port, jail), port):
            self.assertEqual(talk(port, b""), b"bin\n")

    def jailed(self, port: int, jail: str, *keys: str) -> str:
        """Return a service that lists its root directory."""
        user = users.alpine().pw_name
        first = f"{port} on protocol = tcp, wait = no, user = {user}, exec = /bin/list"
        return ", ".join((first, "args = list", f"chroot = {jail}", *keys)) + ";\n"

    def jail(self, name: str) -> str:
        """Make a root directory that contains a file with its name."""
        jail = self.path(name)
        os.makedirs(os.path.join(jail, "bin"))
        shutil.copy(self._static(), os.path.join(jail, "bin", "list"))
        self.write(os.path.join(name, f"is_{name}"), "")
        return jail

    def test_chrootSwitched(self) -> None:
        """
        Programs start in the directory that C{chroot} names at that moment.

        The directory is behind a link that is switched, or is made anew. While it is
        missing, clients are closed with a log line. Clients whose programs run are
        served to the end.
        """
        for name in ("one", "two"):
            self.jail(name)
        current = self.path("current")
        os.symlink("one", current)
        ports = [freePort(), freePort()]
        conf = self.jailed(ports[0], current)
        conf += self.jailed(ports[1], current, "accept_max = 50")
        with self.daemon(conf, *ports) as daemon:
            for name in ("one", "two", "one"):
                os.symlink(name, f"{current}.new")
                os.rename(f"{current}.new", current)
                for port in ports:
                    self.assertIn(f"is_{name}\n".encode(), talk(port, b""))
            self.assertNotIn("start-failed ", daemon.log())
            shutil.rmtree(self.path("one"))
            for port in ports:
                self.assertEqual(talk(port, b""), b"")
            daemon.waitForLog(f"{current}: No such file or directory", 2)
            self.jail("one")
            for port in ports:
                self.assertIn(b"is_one\n", talk(port, b""))
            count = min(os.cpu_count() or 1, 4)
            eventually(
                lambda: len(forkServers(daemon.process.pid)) == count,
                lambda: "the end of the fork servers in the old directories",
            )

    def _static(self) -> str:
        """Return a program that needs no library and lists the root directory."""
        source = self.write(
            "list.c",
            "#include <dirent.h>\n#include <stdio.h>\n"
            'int main(void) { struct dirent *e; DIR *d = opendir("/");\n'
            "while (d && (e = readdir(d))) if (e->d_name[0] != '.') puts(e->d_name);\n"
            "return 0; }\n",
        )
        target = self.path("list")
        subprocess.run(["cc", "-static", "-o", target, source], check=True)
        return target
