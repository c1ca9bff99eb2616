# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Warm services, as clients and operators see them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from typing import Any

from tests.support import checkout, interpreters, users
from tests.support.daemon import (
    Daemon,
    ask,
    environment,
    eventually,
    freePort,
    talk,
    twistd,
)
from tests.support.serving import ServingTestCase, readAll

#: What a daemon says of everything.
INFO = ("--log-level", "info")
#: Says who it is, and gives back what it reads in lower case.
LOWER = """
import os, sys
for line in sys.stdin:
    print(os.getpid(), os.getppid(), os.getuid(), line.lower(), end="", flush=True)
"""
_EVENT = re.compile(r"warm-(\w+) (\S+) pid=(\S+)(.*)")
_START = re.compile(r"start (\S+) pid=(\d+) peer=\S+ start=(warm|cold)")


def events(daemon: Daemon, kind: str) -> list[tuple[str, str]]:
    """Return the process ids and the rest of the log lines of warm processes."""
    found = _EVENT.findall(daemon.log())
    return [(pid, rest) for event, _, pid, rest in found if event == kind]


def starts(daemon: Daemon, name: str = "") -> list[str]:
    """Return how the programs of a service were started, in order."""
    found = _START.findall(daemon.log())
    return [how for each, _, how in found if name in ("", each)]


class WarmTestCase(ServingTestCase):
    """Have a service that is warm."""

    def setUp(self) -> None:
        """Have a port."""
        super().setUp()
        self.port = freePort()

    def definition(self, args: str, keys: str = "", **given: Any) -> str:
        """Return a definition of a service."""
        usual: dict[str, Any] = {
            "service": f"127.0.0.1:{self.port}",
            "protocol": "tcp",
            "wait": "no",
            "user": "-",
            "exec": interpreters.python(),
            "warm": "yes",
        }
        said = {**usual, **given}
        service = said.pop("service")
        pairs = ", ".join(f"{key} = {value}" for key, value in said.items())
        return f"{service} on {pairs}, args = {args}{keys};\n"

    def assertStarted(self, daemon: Daemon, *how: str) -> None:
        """Wait until programs were started in these ways and this order."""
        daemon.waitForLog("start=", len(how))
        self.assertEqual(starts(daemon), list(how))

    def warm(self, conf: str, *ports: int, count: int = 1) -> Daemon:
        """
        Return a daemon with warm processes that are ready.

        @param count: how many.
        """
        env = environment()
        env.pop("PYTHONUNBUFFERED", None)
        daemon = self.daemon(conf, *ports, options=INFO, env=env)
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("warm-ready ", count)
        return daemon


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
            said = f"['{program}', 'one'] {first.endswith('-u')}\n"
            self.assertEqual(talk(self.port, b"").decode(), said)
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
        """Standard error of a warm program goes where the line says."""
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
        """A line that asks for what cannot be is refused with the reason."""
        port = freePort()
        good = f"{port} stream tcp nowait - /bin/cat cat\n"
        conf = good + self.definition("cat", exec="/bin/cat")
        with self.daemon(conf, port) as daemon:
            daemon.waitForLog("field=warm reason=")


class ChangeTests(WarmTestCase):
    """Files of a warm service that change."""

    def serve(self, text: str, **keys: Any) -> Daemon:
        """Serve a script."""
        self.script = self.write("script.py", text)
        return self.warm(
            self.definition(f"{interpreters.python()} {self.script}", **keys)
        )

    def test_edited(self) -> None:
        """The next connection has the edited script, however fast it is edited."""
        daemon = self.serve("print('first')\n")
        for number in range(30):
            self.write("script.py", f"print({number % 10})\n")
            self.assertEqual(talk(self.port, b""), b"%d\n" % (number % 10))
        daemon.waitForLog("] start ", 30)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_replaced(self) -> None:
        """The next connection has a script that replaces the file."""
        self.serve("print('first')\n")
        os.replace(self.write("other.py", "print('other')\n"), self.script)
        self.assertEqual(talk(self.port, b""), b"other\n")

    def test_linked(self) -> None:
        """
        The directory of a link's target is the first of the path.

        It changes with the link, for the next connection.
        """
        for name in ("one", "two"):
            os.mkdir(self.path(name), 0o755)
            self.write(f"{name}/script.py", "import sys; print(sys.path[0])\n")
        os.symlink("one/script.py", self.path("script.py"))
        self.warm(self.definition(f"{interpreters.python()} {self.path('script.py')}"))
        self.assertEqual(talk(self.port, b"").decode(), self.path("one") + "\n")
        os.symlink("two/script.py", self.path("new"))
        os.replace(self.path("new"), self.path("script.py"))
        self.assertEqual(talk(self.port, b"").decode(), self.path("two") + "\n")

    def test_gone(self) -> None:
        """
        A missing script gives the interpreter's own error message.

        The log has one line for any number of clients. The service is warm again when
        the script is back.
        """
        daemon = self.serve("print('there')\n")
        os.rename(self.script, self.path("away"))
        for _ in range(3):
            self.assertIn(b"can't open file", talk(self.port, b""))
        daemon.waitForLog("warm-stderr ")
        self.assertEqual(len(events(daemon, "stderr")), 1)
        os.rename(self.path("away"), self.script)
        self.assertEqual(talk(self.port, b""), b"there\n")
        self.assertStarted(daemon, *["cold"] * 3, "warm")

    def test_broken(self) -> None:
        """A script with a syntax error gives the interpreter's own message."""
        daemon = self.serve("print('good')\n")
        self.write("script.py", "print('bad'\n")
        answers = {talk(self.port, b"") for _ in range(3)}
        self.assertEqual(len(answers), 1)
        self.assertIn(b"SyntaxError", answers.pop())
        daemon.waitForLog("warm-stderr ")
        self.assertEqual(len(events(daemon, "stderr")), 1)
        self.assertIn("SyntaxError", daemon.log())

    def test_brokenFromTheStart(self) -> None:
        """A script that never worked is served cold, and warm once it works."""
        daemon = self.serve("print('bad'\n")
        self.assertIn(b"SyntaxError", talk(self.port, b""))
        self.write("script.py", "print('good')\n")
        self.assertEqual(talk(self.port, b""), b"good\n")
        self.assertStarted(daemon, "cold", "warm")

    def test_preloadFails(self) -> None:
        """
        A module that cannot be preloaded fails for each client, as cold.

        The log has one line.
        """
        self.write("helper.py", "print('imported')\n1/0\n")
        daemon = self.serve("import helper\n", preload="auto")
        for _ in range(2):
            answer = talk(self.port, b"")
            self.assertTrue(answer.startswith(b"imported\nTraceback"), answer)
            self.assertIn(b"import helper", answer)
            self.assertIn(b"ZeroDivisionError", answer)
        daemon.waitForLog("warm-stderr ")
        self.assertEqual(len(events(daemon, "stderr")), 1)

    def test_preloaded(self) -> None:
        """
        A module is imported once for all clients, and only if configured.

        It writes nothing to them.
        """
        self.write("helper.py", "import os\nprint('imported')\nPID = os.getpid()\n")
        text = "import os, helper\nprint(helper.PID == os.getpid())\n"
        self.serve(text, preload="auto")
        self.assertEqual(talk(self.port, b""), b"False\n")
        self.port = freePort()
        self.serve(text)
        self.assertEqual(talk(self.port, b""), b"imported\nTrue\n")

    def test_preloadedEdited(self) -> None:
        """
        A preloaded module that is edited is new for the next connection.

        The service is soon warm again.
        """
        self.write("helper.py", "X = 1\n")
        daemon = self.serve("import helper\nprint(helper.X)\n", preload="helper")
        self.assertEqual(talk(self.port, b""), b"1\n")
        self.write("helper.py", "X = 22\n")
        self.assertEqual(talk(self.port, b""), b"22\n")
        daemon.waitForLog("warm-ready ", 2)
        self.assertEqual(talk(self.port, b""), b"22\n")
        self.assertStarted(daemon, "warm", "cold", "warm")

    def test_preloadThread(self) -> None:
        """A module that starts a thread is imported by each program."""
        self.write(
            "helper.py",
            "import threading, time\n"
            "thread = threading.Thread(target=time.sleep, args=(1000,), daemon=True)\n"
            "thread.start()\n",
        )
        text = "import helper\nprint(helper.thread.is_alive())\n"
        script = self.write("script.py", text)
        conf = self.definition(f"{interpreters.python()} {script}", preload="auto")
        daemon = self.warm(conf)
        self.assertEqual(talk(self.port, b""), b"True\n")
        self.assertStarted(daemon, "warm")

    def test_shadowed(self) -> None:
        """
        A module beside the script precedes the standard library's.

        It exists from the start, or not.
        """
        daemon = self.serve("import string\nprint(string.__file__)\n")
        self.assertNotIn(self.directory.encode(), talk(self.port, b""))
        own = self.write("string.py", "")
        self.assertEqual(talk(self.port, b"").decode(), own + "\n")
        daemon.waitForLog("warm-ready ", 2)
        self.assertEqual(talk(self.port, b"").decode(), own + "\n")

    def test_nobodyYet(self) -> None:
        """No code of a script runs before a client connects."""
        ran = self.path("ran")
        self.write("helper.py", f"open({ran!r}, 'w')\n")
        self.serve("import helper\n")
        self.assertFalse(os.path.exists(ran))
        talk(self.port, b"")
        self.assertTrue(os.path.exists(ran))


class LifeTests(WarmTestCase):
    """Ends and replacements of a warm process."""

    def serve(self, **keys: Any) -> Daemon:
        """Serve lines in lower case."""
        script = self.write("lower.py", LOWER)
        return self.warm(self.definition(f"{interpreters.python()} {script}", **keys))

    def said(self, text: bytes = b"HELLO\n") -> list[str]:
        """Be a client, and return pid, parent, user and the answer."""
        return talk(self.port, text).decode().split()

    def test_killed(self) -> None:
        """
        A process that is killed under load loses no client.

        It is replaced, with backoff.
        """
        for keys in ({}, {"accept_max": "50"}):
            self.port = freePort()
            daemon = self.serve(**keys)
            failures: list[object] = []
            done = threading.Event()

            def load(failures: list[object] = failures, done: Any = done) -> None:
                while not done.is_set():
                    try:
                        answer = self.said()
                    except OSError as why:
                        failures.append(why)
                        continue
                    if answer[3:] != ["hello"]:
                        failures.append(answer)

            threads = [threading.Thread(target=load) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                for number in range(1, 5):
                    pid = int(events(daemon, "ready")[-1][0])
                    daemon.waitForLog("start=", len(starts(daemon)) + 20)
                    os.kill(pid, signal.SIGKILL)
                    daemon.waitForLog("warm-ready ", number + 1)
            finally:
                done.set()
                for thread in threads:
                    thread.join()
            # One that was just being accepted can be lost with the process.
            self.assertLessEqual(len(failures), 0 if keys else 4, failures)
            pauses = [rest.split()[0] for _, rest in events(daemon, "exit")]
            self.assertEqual(pauses[:3], ["retry=0.05", "retry=0.1", "retry=0.2"])
            self.assertIn("signal=9", daemon.log())

    def test_coldMeanwhile(self) -> None:
        """Without a warm process, clients are served cold."""
        daemon = self.serve()
        for _ in range(4):
            ready = len(events(daemon, "ready"))
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(events(daemon, "ready")[-1][0]), signal.SIGKILL)
            self.assertEqual(self.said()[3:], ["hello"])
            daemon.waitForLog("warm-ready ", ready + 1)
        self.assertIn("cold", starts(daemon))

    def test_orphans(self) -> None:
        """The programs of one that is killed go on, and their ends are noticed."""
        daemon = self.serve()
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        pid, parent = client.recv(100).split()[:2]
        os.kill(int(parent), signal.SIGKILL)
        daemon.waitForLog("warm-ready ", 2)
        client.sendall(b"TWO\n")
        self.assertEqual(client.recv(100).split()[0], pid)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"")
        daemon.waitForLog(f"pid={pid.decode()} peer=127.0.0.1:", 2)

    def test_hangup(self) -> None:
        """
        SIGHUP replaces it at once, without a cold start.

        Clients that are being served are not affected.
        """
        daemon = self.serve()
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        first = client.recv(100).split()[1]
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("warm-ready ", 2)
        self.assertNotEqual(self.said()[1].encode(), first)
        client.sendall(b"TWO\n")
        self.assertEqual(client.recv(100).split()[1], first)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"")
        eventually(lambda: not _alive(int(first)), daemon.log)
        daemon.waitForLog("] start ", 2)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_limitedTime(self) -> None:
        """The CPU time limit is for each program, and never ends the process."""
        script = self.write(
            "burn.py",
            "import resource, sys\n"
            "for line in sys.stdin: pass\n"
            "print(resource.getrlimit(resource.RLIMIT_CPU))\n"
            "sys.stdout.flush()\n"
            "if line == 'burn\\n':\n"
            "    while True: pass\n",
        )
        conf = self.definition(f"{interpreters.python()} {script}", rlimit_cpu="1:2")
        daemon = self.warm(conf)
        self.assertEqual(talk(self.port, b"no\n"), b"(1, 2)\n")
        self.assertEqual(talk(self.port, b"burn\n"), b"(1, 2)\n")
        daemon.waitForLog(f"signal={int(signal.SIGXCPU)}")
        self.assertEqual(talk(self.port, b"no\n"), b"(1, 2)\n")
        self.assertEqual(events(daemon, "exit"), [])

    def test_fewFiles(self) -> None:
        """A service may have very few descriptors."""
        script = self.write("lower.py", LOWER)
        daemon = self.warm(
            self.definition(f"{interpreters.python()} {script}", rlimit_files=16)
        )
        self.assertEqual(self.said()[3:], ["hello"])
        self.assertStarted(daemon, "warm")

    def test_stopped(self) -> None:
        """When the daemon stops, the process ends, and its programs go on."""
        daemon = self.serve()
        client = self.connect(self.port)
        client.sendall(b"ONE\n")
        _, parent = client.recv(100).split()[:2]
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait()
        eventually(lambda: not _alive(int(parent)), daemon.log)
        client.sendall(b"TWO\n")
        self.assertTrue(client.recv(100).endswith(b" two\n"))


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
        conf = self.definition(f"{interpreters.python()} {script}", user="alpine")
        conf += self.definition(
            f"{interpreters.python()} {script}", service=f"127.0.0.1:{other}"
        )
        daemon = self.warm(conf, self.port, other, count=2)
        said = [talk(port, b"HI\n").split() for port in (self.port, other)]
        self.assertEqual([int(each[2]) for each in said], [user.pw_uid, 0])
        parents = [int(each[1]) for each in said]
        owners = [os.stat(f"/proc/{pid}").st_uid for pid in parents]
        self.assertEqual(owners, [user.pw_uid, 0])
        self.assertStarted(daemon, "warm", "warm")

    def test_chroot(self) -> None:
        """
        A service may have a root directory with only an interpreter, and a user.

        When another directory replaces it, the next client has that.
        """
        jail = self.path("jail")
        without = ("test", "tests", "idlelib", "lib2to3", "ensurepip", "__pycache__")
        python = interpreters.copyOfInterpreter(os.path.join(jail, "py"), *without)
        for library in _libraries(python):
            # Where there is no /proc, none is found beside the interpreter.
            place = "/lib" if library.startswith(jail) else os.path.dirname(library)
            os.makedirs(jail + place, exist_ok=True)
            shutil.copy(library, jail + place)
        self.write(
            "jail/s.py",
            "import json, os, sys\n"
            "print(json.dumps([os.getuid(), sorted(os.listdir('/')), sys.argv]))\n",
        )
        path = python[len(jail) :]
        daemon = self.warm(
            self.definition(
                f"{path} /s.py x",
                exec=path,
                chroot=jail,
                user="alpine",
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
        conf = self.definition(f"{interpreters.python()} {script}", user="alpine")
        service = f"127.0.0.1:{other}"
        conf += self.definition(
            f"{interpreters.python()} {script}", user="alpine", service=service
        )
        daemon = self.warm(conf, self.port, other)
        parents = {talk(port, b"HI\n").split()[1] for port in (self.port, other)}
        self.assertEqual(len(parents), 1)
        self.assertStarted(daemon, "warm", "warm")


def _libraries(program: str) -> list[str]:
    """Return the shared libraries that a program needs."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)


def _alive(pid: int) -> bool:
    """Return whether a process is alive."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
