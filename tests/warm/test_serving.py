# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Warm services, as clients and operators see them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess

from tests.support import checkout, interpreters, users
from tests.support.daemon import Daemon, ask, environment, freePort, talk, twistd
from tests.support.serving import readAll
from tests.support.warmservice import INFO, LOWER, WarmTestCase, starts


class FormTests(WarmTestCase):
    """All kinds of services can be warm."""

    def test_unix(self) -> None:
        """A UNIX socket."""
        path = self.path("socket")
        script = self.write("lower.py", LOWER)
        daemon = self.warm(
            self.definition(
                f"{interpreters.python()} {script}", service=path, protocol="unix"
            )
        )
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"HELLO\n")
            client.shutdown(socket.SHUT_WR)
            self.assertTrue(readAll(client).endswith(b" hello\n"))
        self.assertStarted(daemon, "warm")

    def test_datagrams(self) -> None:
        """C{dgram wait}: every datagram has its answer, one program after the other."""
        script = self.write(
            "upper.py",
            "import socket\n"
            "service = socket.socket(fileno=0)\n"
            "text, peer = service.recvfrom(1000)\n"
            "service.sendto(text.upper(), peer)\n",
        )
        conf = self.definition(
            f"{interpreters.python()} {script}", protocol="udp", wait="yes"
        )
        daemon = self.warm(conf)
        for number in range(20):
            answer = ask(self.port, b"hello %d" % number)
            self.assertEqual(answer, b"HELLO %d" % number)
        daemon.waitForLog("] start ", 20)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_datagramsNowait(self) -> None:
        """C{dgram nowait}: what is printed is the answer."""
        script = self.write("lower.py", "print(input().lower())\n")
        conf = self.definition(
            f"{interpreters.python()} {script}", protocol="udp", wait="no"
        )
        daemon = self.warm(conf)
        self.assertEqual(ask(self.port, b"HELLO"), b"hello\n")
        self.assertStarted(daemon, "warm")

    def test_wait(self) -> None:
        """C{stream wait}: the program has the listening socket."""
        script = self.write(
            "accept.py",
            "import socket\n"
            "connection, _ = socket.socket(fileno=0).accept()\n"
            "connection.sendall(connection.recv(100).lower())\n",
        )
        daemon = self.warm(
            self.definition(f"{interpreters.python()} {script}", wait="yes")
        )
        for _ in range(3):
            self.assertEqual(talk(self.port, b"HELLO"), b"hello")
        daemon.waitForLog("] start ", 3)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_shebang(self) -> None:
        """A script that names its interpreter itself, by its path or by C{env}."""
        for first in (f"{interpreters.python()} -u", "/usr/bin/env python3"):
            self.port = freePort()
            text = f"#!{first}\nimport sys\nprint(sys.argv, sys.stdout.write_through)\n"
            program = self.write("program.py", text, 0o755)
            conf = self.definition("program.py one", exec=program)
            daemon = self.warm(conf)
            wanted = f"['{program}', 'one'] {first.endswith('-u')}\n"
            self.assertEqual(talk(self.port, b"").decode(), wanted)
            self.assertStarted(daemon, "warm")

    def test_bounded(self) -> None:
        """A service whose connections the daemon accepts itself."""
        script = self.write("lower.py", LOWER)
        conf = self.definition(f"{interpreters.python()} {script}", accept_max=2)
        daemon = self.warm(conf)
        clients = [self.connect(self.port) for _ in range(3)]
        for client in clients:
            client.sendall(b"HELLO\n")
            client.shutdown(socket.SHUT_WR)
        for client in clients:
            self.assertTrue(readAll(client).endswith(b" hello\n"))
        self.assertStarted(daemon, *["warm"] * 3)

    def test_direct(self) -> None:
        """A service whose programs the daemon starts itself."""
        script = self.write("lower.py", LOWER)
        daemon = self.warm(
            self.definition(f"{interpreters.python()} {script}", launch="direct")
        )
        self.assertTrue(talk(self.port, b"HELLO\n").endswith(b" hello\n"))
        self.assertStarted(daemon, "warm")

    def test_stderr(self) -> None:
        """Standard error of a warm program has the destination of the line."""
        script = self.write("fails.py", "print('before')\n1/0\n")
        daemon = self.warm(
            self.definition(f"{interpreters.python()} {script}", stderr="log")
        )
        self.assertEqual(talk(self.port, b""), b"before\n")
        daemon.waitForLog("ZeroDivisionError")
        self.assertStarted(daemon, "warm")

    def test_large(self) -> None:
        """Arguments and environment may be nearly as large as execve(2) takes them."""
        script = self.write(
            "size.py",
            "import os, sys\n"
            "size = len(str(os.environ))\n"
            "print(len(''.join(sys.argv[1:])), size > 9e5)\n",
        )
        large = {f"LARGE{number}": "y" * 120000 for number in range(8)}
        env = {**environment(), **large}
        for launch in ("forkserver", "direct"):
            self.port = freePort()
            args = f"{interpreters.python()} {script} {('x' * 60000 + ' ') * 10}"
            conf = self.definition(args, launch=launch)
            daemon = self.daemon(conf, self.port, options=INFO, env=env)
            with daemon:
                daemon.waitForLog("warm-ready ")
                self.assertEqual(talk(self.port, b""), b"600000 True\n")
                self.assertStarted(daemon, "warm")

    def test_option(self) -> None:
        """
        C{--warm} makes every service with a Python program warm.

        The tutorial's are; other services are as before.
        """
        script = self.write("lower.py", LOWER)
        other, udp = freePort(), freePort()
        examples = os.path.join(checkout.path(), "examples")
        conf = (
            f"{self.port} stream tcp nowait - python3 python3 {script}\n"
            f"{udp} dgram udp wait - python3 python3 {examples}/udpclient2.py\n"
            f"{other} stream tcp nowait - /bin/cat cat\n"
        )
        path = self.write("inetd.conf", conf)
        argv = twistd("inetd", "--conf", path, "--warm", *INFO)
        with Daemon(argv, ports=[self.port, other, udp]) as daemon:
            daemon.waitForLog("warm-ready ", 2)
            self.assertEqual(talk(other, b"hello"), b"hello")
            self.assertEqual(ask(udp, b"hello"), b"HELLO")
            self.assertTrue(talk(self.port, b"HELLO\n").endswith(b" hello\n"))
            self.assertStarted(daemon, "warm", "warm")

    def test_cannot(self) -> None:
        """A line with an unsupported combination is refused with the reason."""
        port = freePort()
        good = f"{port} stream tcp nowait - /bin/cat cat\n"
        conf = good + self.definition("cat", exec="/bin/cat")
        with self.daemon(conf, port) as daemon:
            daemon.waitForLog("field=warm reason=")


class UserTests(WarmTestCase):
    """A warm process is its service's user's."""

    if not users.ROOT:
        skip = users.NOT_ROOT

    def test_user(self) -> None:
        """
        Process and programs run as the user, in a process per user.

        Another user's service with the same program has another one. The user need not
        be able to read the package.
        """
        script = self.write("lower.py", LOWER)
        other = freePort()
        user = users.alpine()
        conf = self.definition(
            f"{interpreters.python()} {script}", user=users.alpine().pw_name
        )
        conf += self.definition(
            f"{interpreters.python()} {script}", service=f"127.0.0.1:{other}"
        )
        daemon = self.warm(conf, self.port, other, count=2)
        answers = [talk(port, b"HI\n").split() for port in (self.port, other)]
        self.assertEqual([int(each[2]) for each in answers], [user.pw_uid, 0])
        parents = [int(each[1]) for each in answers]
        owners = [os.stat(f"/proc/{pid}").st_uid for pid in parents]
        self.assertEqual(owners, [user.pw_uid, 0])
        self.assertStarted(daemon, "warm", "warm")

    def test_chroot(self) -> None:
        """
        A service may have a root directory with only an interpreter, and a user.

        When another directory replaces it, the next client has that.
        """
        jail = self.path("jail")
        path = _install(jail)
        self.write(
            "jail/s.py",
            "import json, os, sys\n"
            "print(json.dumps([os.getuid(), sorted(os.listdir('/')), sys.argv]))\n",
        )
        daemon = self.warm(
            self.definition(
                f"{path} /s.py x",
                exec=path,
                chroot=jail,
                user=users.alpine().pw_name,
                preload="auto",
            )
        )
        uid, root, argv = json.loads(talk(self.port, b""))
        self.assertEqual((uid, argv), (users.alpine().pw_uid, ["/s.py", "x"]))
        self.assertEqual(root, sorted(os.listdir(jail)))
        self.assertStarted(daemon, "warm")
        # Another directory is there now, with hard links to the same files.
        os.rename(jail, self.path("before"))
        subprocess.run(["cp", "-al", self.path("before"), jail], check=True)
        os.mkdir(f"{jail}/new")
        for _ in range(2):
            self.assertIn("new", json.loads(talk(self.port, b""))[1])
            daemon.waitForLog("warm-ready ", 2)
        self.assertStarted(daemon, "warm", "cold", "warm")

    def test_shared(self) -> None:
        """Lines that are the same but for the socket share it."""
        script = self.write("lower.py", LOWER)
        other = freePort()
        conf = self.definition(
            f"{interpreters.python()} {script}", user=users.alpine().pw_name
        )
        service = f"127.0.0.1:{other}"
        conf += self.definition(
            f"{interpreters.python()} {script}",
            user=users.alpine().pw_name,
            service=service,
        )
        daemon = self.warm(conf, self.port, other)
        parents = {talk(port, b"HI\n").split()[1] for port in (self.port, other)}
        self.assertEqual(len(parents), 1)
        self.assertStarted(daemon, "warm", "warm")


def _libraries(program: str) -> list[str]:
    """Return the shared libraries that a program needs."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def _install(jail: str) -> str:
    """Copy an interpreter into a root directory, and return its path there."""
    without = ("test", "tests", "idlelib", "lib2to3", "ensurepip", "__pycache__")
    python = interpreters.copyOfInterpreter(os.path.join(jail, "py"), *without)
    for library in _libraries(python):
        # Without proc(5), none is found beside the interpreter.
        place = "/lib" if library.startswith(jail) else os.path.dirname(library)
        os.makedirs(jail + place, exist_ok=True)
        shutil.copy(library, jail + place)
    return python[len(jail) :]
