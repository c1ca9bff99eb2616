# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The superserver as a part of something else: an application, or a test."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
from typing import Any
from urllib.request import urlopen

from twisted.application.service import MultiService
from twisted.internet import reactor as globalReactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from inetdtw import InetdService, NothingToServe
from inetdtw.model.service import Settings
from tests.support import checkout, directories, interpreters
from tests.support.daemon import Daemon, ask, freePort, talk, twistd
from tests.support.probe import LAUNCHES
from tests.support.processes import forkServers, stat
from tests.support.serving import ServingTestCase, readAll, run
from tests.support.users import ordinaryUser

reactor: Any = globalReactor


#: What the tests of C{examples} are about.
_TESTED = ("lower", "programs")


class ApplicationTests(ServingTestCase):
    """The application in C{examples/site.tac}."""

    def setUp(self) -> None:
        """Copy it and what it serves, with free ports."""
        super().setUp()
        for name in ("etc", "examples"):
            shutil.copytree(
                os.path.join(checkout.path(), name),
                self.path(name),
                ignore=shutil.ignore_patterns("*.sqlite", "__pycache__"),
            )
        self.web = freePort()
        self.ports: dict[str, int] = {}
        self.replace("examples/site.tac", r"\b8080\b", lambda _: str(self.web))
        self.replace("etc/inetd.conf", r"(?m)^\d+(?= )", self.free)

    def replace(self, name: str, pattern: str, by: Any) -> None:
        """Change a file."""
        with open(self.path(name), encoding="utf-8") as file:
            text = re.sub(pattern, by, file.read())
        self.write(name, text)

    def free(self, match: re.Match[str]) -> str:
        """Return the free port that replaces another one."""
        if match[0] not in self.ports:
            self.ports[match[0]] = freePort()
        return str(self.ports[match[0]])

    def application(self) -> Daemon:
        """Run the application."""
        path = self.path("examples/site.tac")
        user = ordinaryUser()
        argv = [*twistd(), "-y", path, "--no_save"]
        ports = [self.web, *self.ports.values()]
        return Daemon(argv, ports=ports, user=user, cwd="/")

    def test_together(self) -> None:
        """
        One process serves a web site and an inetd.conf.

        The site lists the services with their ports.
        """
        with self.application() as daemon:
            with urlopen(f"http://127.0.0.1:{self.web}/", timeout=30) as page:
                listed = page.read().decode()
            lower = self.ports["21000"]
            self.assertIn(f"{lower}/tcp: ", listed)
            self.assertIn(f"port={lower}", listed)
            self.assertEqual(talk(lower, b"wEjLu\n"), b"wejlu\n")
            self.assertEqual(ask(self.ports["28000"], b"wEjLu"), b"WEJLU")
            self.assertEqual(ask(self.ports["26000"], b"a b\n"), b"1 2 4\n")
            self.assertTrue(forkServers(daemon.process.pid))

    def test_hangup(self) -> None:
        """The superserver leaves C{SIGHUP} to the application."""
        with self.application() as daemon:
            os.kill(daemon.process.pid, signal.SIGHUP)
            self.assertNotEqual(daemon.process.wait(30), 0)


class ExampleTests(ServingTestCase):
    """The tests in C{examples}."""

    def test_passes(self) -> None:
        """The tests in C{examples} pass."""
        code = (
            "import sys; sys.argv[0] = 'trial'; from twisted.scripts.trial import run"
        )
        examples = os.path.join(checkout.path(), "examples")
        directory = self.path("trial")
        argv = [
            interpreters.python(),
            "-c",
            f"{code}; run()",
            "--temp-directory",
            directory,
            *(os.path.join(examples, f"test_{name}.py") for name in _TESTED),
        ]
        done = run(argv)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("PASSED (successes=6)", done.stdout)


class InProcessTests(TestCase):
    """
    An L{InetdService} in this process, on the real reactor.

    Trial fails a test that leaves something behind in the reactor.
    """

    timeout = 60
    launch = "forkserver"

    def serve(self, text: str, **arguments: Any) -> InetdService:
        """Serve a configuration until the test ends."""
        inetd = InetdService(
            "/etc/inetd.conf",
            text=text,
            settings=Settings(launch=self.launch),
            **arguments,
        )
        parent = MultiService()
        inetd.setServiceParent(parent)
        parent.startService()
        self.addCleanup(parent.stopService)
        return inetd

    @inlineCallbacks
    def test_ports(self) -> Any:
        """On port 0 every service gets a port, and all of them report which."""
        inetd = self.serve(
            "127.0.0.1:0 on id = cat, protocol = tcp, wait = no, exec = /bin/cat,"
            " user = -;\n"
            "127.0.0.1:0 on id = wc, protocol = udp, wait = no, exec = /usr/bin/wc,"
            " args = wc -c, user = -;\n"
            "127.0.0.1:0 stream tcp nowait - internal echo\n"
            "127.0.0.1:0 stream tcp nowait - internal discard\n"
        )
        hosts = inetd.getHosts()
        self.assertEqual(set(hosts), {"cat", "wc", "0/tcp", "0/tcp#2"})
        kinds = {name: host.type for name, host in hosts.items()}
        self.assertEqual(kinds["wc"], "UDP")
        self.assertEqual(kinds["cat"], "TCP")
        self.assertNotIn(0, {host.port for host in hosts.values()})
        answer = yield deferToThread(talk, hosts["cat"].port, b"text")
        self.assertEqual(answer, b"text")
        answer = yield deferToThread(ask, hosts["wc"].port, b"12345")
        self.assertEqual(answer.strip(), b"5")
        answer = yield deferToThread(talk, hosts["0/tcp"].port, b"echo")
        self.assertEqual(answer, b"echo")

    @inlineCallbacks
    def test_factory(self) -> Any:
        """A C{ProgramFactory} serves C{listenTCP} and endpoints, within its limits."""
        line = "tcpmux/Cat stream tcp nowait/1 - {} it\n"
        inetd = self.serve(line.format("/bin/cat"))
        factory = inetd.factory("Cat")
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        path = os.path.join(directories.publicDirectory(self), "s")
        other = yield serverFromString(reactor, f"unix:{path}").listen(factory)
        self.addCleanup(other.stopListening)
        number = port.getHost().port
        first = yield deferToThread(socket.create_connection, ("127.0.0.1", number))
        self.addCleanup(first.close)
        first.settimeout(30)
        first.sendall(b"x")
        self.assertEqual((yield deferToThread(first.recv, 1)), b"x")
        second = deferToThread(talk, number, b"waits")
        first.close()
        self.assertEqual((yield second), b"waits")
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        yield deferToThread(client.connect, path)
        client.sendall(b"path")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual((yield deferToThread(readAll, client)), b"path")

    @inlineCallbacks
    def test_restart(self) -> Any:
        """The service stops and starts again; meanwhile no socket listens."""
        text = "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /bin/cat;"
        inetd = self.serve(text.replace(";", ", user = -;"))
        for _ in range(3):
            port = inetd.getHosts()["it"].port
            answer = yield deferToThread(talk, port, b"text")
            self.assertEqual(answer, b"text")
            yield inetd.stopService()
            self.assertEqual(inetd.getHosts(), {})
            self.assertRaises(
                ConnectionRefusedError, socket.create_connection, ("127.0.0.1", port)
            )
            self.assertEqual(forkServers(os.getpid()), [])
            inetd.startService()

    @inlineCallbacks
    def clientOf(self, inetd: InetdService) -> Any:
        """Return a client whose program runs, and echoes."""
        port = inetd.getHosts()["it"].port
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.addCleanup(client.close)
        client.sendall(b"before")
        answer = yield deferToThread(client.recv, 100)
        self.assertEqual(answer, b"before")
        return client

    @inlineCallbacks
    def test_stopWithPrograms(self) -> Any:
        """A program that runs when the service stops serves its client on."""
        text = "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /bin/cat;"
        inetd = self.serve(text.replace(";", ", user = -;"))
        client = yield self.clientOf(inetd)
        yield inetd.stopService()
        client.sendall(b"after")
        answer = yield deferToThread(client.recv, 100)
        self.assertEqual(answer, b"after")
        client.shutdown(socket.SHUT_WR)
        answer = yield deferToThread(client.recv, 100)
        self.assertEqual(answer, b"")
        inetd.startService()

    @inlineCallbacks
    def test_boundAfterStop(self) -> Any:
        """A program that outlives a stop does not count after the next start."""
        text = "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /bin/cat,"
        inetd = self.serve(f"{text} user = -;", maxChildren=1)
        client = yield self.clientOf(inetd)
        yield inetd.stopService()
        inetd.startService()
        answer = yield deferToThread(talk, inetd.getHosts()["it"].port, b"after")
        self.assertEqual(answer, b"after")
        client.sendall(b"still")
        answer = yield deferToThread(client.recv, 100)
        self.assertEqual(answer, b"still")

    @inlineCallbacks
    def test_reaped(self) -> Any:
        """A program that ends after the stop leaves no zombie."""
        inetd = self.serve(
            "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /bin/sh,"
            " args = sh -c 'echo $$; exec cat', user = -;\n"
        )
        port = inetd.getHosts()["it"].port
        client = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.addCleanup(client.close)
        pid = int((yield deferToThread(client.recv, 100)))
        yield inetd.stopService()
        client.close()
        deadline = reactor.seconds() + 30
        # A program of a fork server that is gone is for the first process to wait for.
        gone = "X" if self.launch == "direct" else "XZ"
        while stat(pid)[0] not in gone:
            self.assertLess(reactor.seconds(), deadline)
            yield deferLater(reactor, 0.02)
        inetd.startService()

    @inlineCallbacks
    def test_stopWithDatagrams(self) -> Any:
        """A stop while a program has a datagram leaves nothing behind."""
        inetd = self.serve(
            "127.0.0.1:0 on id = it, protocol = udp, wait = no, exec = /bin/sh,"
            " args = sh -c 'echo running; exec sleep 2', user = -;\n"
        )
        answer = yield deferToThread(ask, inetd.getHosts()["it"].port, b"?")
        self.assertEqual(answer, b"running\n")
        yield inetd.stopService()
        inetd.startService()

    @inlineCallbacks
    def test_environment(self) -> Any:
        """Programs get the given environment; this process keeps its own."""
        inetd = self.serve(
            "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /usr/bin/env,"
            " user = -;\n",
            environ={"PATH": "/bin", "GIVEN": "yes"},
        )
        before = dict(os.environ)
        answer = yield deferToThread(talk, inetd.getHosts()["it"].port, b"")
        lines = answer.decode().splitlines()
        kept = [
            line for line in lines if not line.startswith(("TCP", "REMOTE_", "PROTO"))
        ]
        self.assertEqual(sorted(kept), ["GIVEN=yes", "PATH=/bin"])
        self.assertEqual(dict(os.environ), before)

    def test_nothingToServe(self) -> None:
        """With C{required}, a start without services fails."""
        inetd = InetdService(text="# nothing\n", required=True)
        self.assertRaises(NothingToServe, inetd.startService)

    def test_nothingStarted(self) -> None:
        """A service that was never started has no descriptors."""
        inetd = InetdService(text="127.0.0.1:0 stream tcp nowait - /bin/cat\n")
        self.assertEqual(inetd.getHosts(), {})
        self.assertEqual(len(inetd.configuration.services), 1)

    @inlineCallbacks
    def test_signals(self) -> Any:
        """
        The service changes no signal handlers and no reactor of its process.

        It does so at no time, whatever variables a supervisor has set.
        """
        # The reactor has its own handlers once it runs.
        yield deferLater(reactor, 0)
        before = self.settings()
        given = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        environ = {**os.environ, **given, "NOTIFY_SOCKET": "@nobody"}
        line = "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /bin/cat,"
        inetd = self.serve(f"{line} user = -;\n", environ=environ)
        self.assertEqual(self.settings(), before)
        port = inetd.getHosts()["it"].port
        self.assertEqual((yield deferToThread(talk, port, b"text")), b"text")
        self.assertEqual(self.settings(), before)
        yield inetd.stopService()
        self.assertEqual(self.settings(), before)
        inetd.startService()

    def settings(self) -> list[Any]:
        """Return what is set for the whole process."""
        signals = ["HUP", "INT", "TERM", "PIPE", "CHLD", "USR1", "USR2"]
        handlers = [signal.getsignal(getattr(signal, f"SIG{name}")) for name in signals]
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        pool = reactor.getThreadPool()
        its = (pool.min, pool.max, reactor.nameResolver, reactor.seconds)
        mask = os.umask(0o022)
        os.umask(mask)
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        limits = [
            resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
            for name in ("NOFILE", "NPROC", "CORE")
        ]
        return [*handlers, wakeup, *its, mask, blocked, limits, os.getcwd()]

    @inlineCallbacks
    def test_otherChildren(self) -> Any:
        """The superserver waits for no children of others in its process."""
        inetd = self.serve(
            "127.0.0.1:0 on id = it, protocol = tcp, wait = no, exec = /bin/cat,"
            " user = -;\n"
        )
        others = [subprocess.Popen(["/bin/sh", "-c", "exit 7"]) for _ in range(5)]
        port = inetd.getHosts()["it"].port
        for number in range(20):
            answer = yield deferToThread(talk, port, b"%d" % number)
            self.assertEqual(answer, b"%d" % number)
        self.assertEqual([other.wait(30) for other in others], [7] * 5)


class DirectInProcessTests(InProcessTests):
    """Programs that this process itself starts."""

    launch = LAUNCHES[0]
