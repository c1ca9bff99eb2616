# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.forkserver}: for the program as it runs."""

from __future__ import annotations

import array
import errno
import json
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from inetdtw.helpers.protocol import BEGIN, CHANNEL, versionNumber
from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    FAILED,
    HELLO,
    NO_DIRECTORY,
    NOT_ACCEPTED,
    NOT_ENTERED,
    NOT_STARTED,
    RETURNED,
    STARTED,
    WITHDRAWN,
)
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH, WITHDRAW
from inetdtw.helpers.test.test_spawn import PROBE, ignored
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.forkserver.code import BOOT, MODULES, codeOf
from inetdtw.launch.packets import decodeReports, encodeProgram
from inetdtw.model.process import ProcessContext
from inetdtw.test.fakes import PATIENCE, ServingTestCase, openDescriptors

CODE = codeOf(*MODULES)
#: What a helper reports of its version.
VERSION = versionNumber(CODE.version)
#: The context that changes nothing.
USUAL = dict(word.split("=", 1) for word in ProcessContext().toArguments())
PATH = {"PATH": "/bin:/usr/bin"}

Report = tuple[int, int, int, int]


def packed(
    number: int,
    argv: Sequence[str],
    environment: dict[str, str],
    extra: bytes = b"",
) -> bytes:
    """Return a request to execute the first of the arguments."""
    request = LaunchRequest(argv[0], tuple(argv), environment, {}, (0, 0, 0))
    program = encodeProgram(request)
    head = HEADER.pack(LAUNCH, False, number, 0, 0, len(program))
    return head + program + extra


class Running:
    """
    A fork server that runs, and the daemon's end of its channel.

    @ivar pid: its process id.

    @ivar begin: the byte that lets it begin.
    """

    begin = b"\n"

    def __init__(self, *context: str) -> None:
        """@param context: where it differs from the usual one."""
        self.channel, self._theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self.channel.settimeout(PATIENCE)
        given = dict(word.split("=", 1) for word in context)
        self._context = [f"{n}={value}" for n, value in {**USUAL, **given}.items()]
        self._received: list[Report] = []
        self.pid = 0

    def start(self) -> None:
        """Start it."""
        null = os.open(os.devnull, os.O_RDWR)
        reading, writing = os.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, reading, BEGIN),
            (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, self._theirs.fileno(), CHANNEL),
        ]
        words = [*CODE.arguments(), *self._context]
        argv = [sys.executable, "-I", "-S", "-c", BOOT, *words]
        self.pid = os.posix_spawn(sys.executable, argv, {}, file_actions=actions)
        os.close(null)
        os.close(reading)
        with open(writing, "wb") as file:
            file.write(CODE.data + self.begin)
        self._theirs.close()

    def launch(self, number: int, argv: Sequence[str], *fds: int, **given: Any) -> None:
        """Order a program."""
        usual: dict[str, Any] = {"environment": PATH}
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        packet = packed(number, argv, **{**usual, **given})
        self.channel.sendmsg([packet], rights)

    def accept(
        self,
        number: int,
        argv: Sequence[str],
        server: socket.socket,
        search: tuple[str, ...] = (),
        most: int = 0,
        kind: int = ACCEPT,
    ) -> None:
        """
        Delegate a socket to it.

        @param most: how many children there may be.
        """
        request = LaunchRequest(
            argv[0], tuple(argv), PATH, {}, (0, 0, 0), search=search
        )
        program = encodeProgram(request)
        packet = HEADER.pack(kind, False, 1, number, most, len(program)) + program
        rights = array.array("i", [server.fileno()])
        self.channel.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def withdraw(self, number: int) -> None:
        """Withdraw a delegated socket."""
        self.channel.send(HEADER.pack(WITHDRAW, False, 7, number, 0, 0))

    def opened(self) -> tuple[int, int]:
        """
        Return how many descriptors it has, and how many of these it polls.

        Once it serves, it polls the channel and the pipe for exits of children.
        """
        until = time.monotonic() + PATIENCE
        while True:
            numbers = os.listdir(f"/proc/{self.pid}/fd")
            waits = 0
            for number in numbers:
                with open(f"/proc/{self.pid}/fdinfo/{number}") as file:
                    waits += file.read().count("tfd:")
            if waits >= 2 or time.monotonic() > until:
                return len(numbers), waits

    def receive(self) -> Report:
        """Return the next report: kind, number, pid or what was dropped, value."""
        while not self._received:
            packet = self.channel.recv(1 << 16)
            if not packet:
                raise AssertionError("it has ended")
            for report in decodeReports(packet):
                dropped = report.kind == DROPPED
                pid = report.detail if dropped else report.pid
                value = 0 if report.kind == ACCEPTED else report.value
                self._received.append((report.kind, report.number, pid, value))
        return self._received.pop(0)

    def end(self) -> int:
        """
        Close the socket, and wait for its end.

        @return: its exit status.
        """
        self.channel.close()
        self._theirs.close()
        deadline = time.monotonic() + PATIENCE
        while self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return status
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
        return 0


class ProgramTestCase(ServingTestCase):
    """A test of the program as it runs."""

    def helper(self, *context: str) -> Running:
        """Return a fork server that is ready."""
        helper = Running(*context)
        self.addCleanup(helper.end)
        helper.start()
        self.assertEqual(helper.receive(), (HELLO, 0, helper.pid, VERSION))
        return helper

    def talk(
        self, helper: Running, argv: Sequence[str], number: int = 1, **given: Any
    ) -> bytes:
        """Return the output of a program that exits with 0."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                helper.launch(number, argv, theirs.fileno(), **given)
            ours.settimeout(PATIENCE)
            output = b""
            while True:
                piece = ours.recv(1 << 16)
                if not piece:
                    break
                output += piece
        kind, reported, pid, _ = helper.receive()
        self.assertEqual((kind, reported), (STARTED, number))
        self.assertEqual(helper.receive(), (ENDED, number, pid, 0))
        return output

    def probe(self, helper: Running, **given: Any) -> Any:
        """Return what a program finds."""
        argv = (os.path.realpath(sys.executable), "-I", "-S", "-c", PROBE)
        return json.loads(self.talk(helper, argv, **given))

    def failure(self, helper: Running, argv: Sequence[str]) -> Report:
        """Return the report about a program that cannot be started."""
        with open(os.devnull) as null:
            helper.launch(1, argv, null.fileno())
        return helper.receive()


class ProgramTests(ProgramTestCase):
    """Tests for the program."""

    def test_descriptors(self) -> None:
        """A program has its three descriptors only, and not the channel."""
        fds = self.probe(self.helper())["fds"]
        self.assertLessEqual({"0", "1", "2"}, set(fds))
        self.assertEqual({fds["0"]}, {fds["1"], fds["2"]})
        left = {fd for fd in openDescriptors() if os.get_inheritable(int(fd))}
        self.assertEqual(set(fds) - {"0", "1", "2"} - left, set())

    def test_three(self) -> None:
        """Each of three descriptors has its number in the program."""
        helper = self.helper()
        ours, theirs = zip(*[socket.socketpair() for _ in range(3)])
        command = ("/bin/sh", "-c", "cat; echo one; echo two >&2")
        helper.launch(1, command, *[sock.fileno() for sock in theirs])
        ours[0].sendall(b"zero ")
        for sock in (*theirs, ours[0]):
            sock.close()
        output = []
        for sock in ours[1:]:
            with sock, sock.makefile("rb") as file:
                output.append(file.read())
        self.assertEqual(output, [b"zero one\n", b"two\n"])

    def test_program(self) -> None:
        """A program leads its session, and has no signal ignored or blocked."""
        found = self.probe(self.helper())
        self.assertTrue(found["leads"])
        self.assertEqual(int(found["masked"], 16), 0)
        self.assertEqual(ignored(found["ignored"], signal.SIGPIPE, signal.SIGXFSZ), 0)

    def test_brokenPipe(self) -> None:
        """A program ignores not even the signals that the fork server ignores."""
        command = ("/bin/sh", "-c", "grep SigIgn /proc/self/status")
        output = self.talk(self.helper(), command)
        self.assertEqual(ignored(output.split()[1]), 0)

    def test_environment(self) -> None:
        """
        The environment is what was requested.

        The variables of one child are not seen by the next.
        """
        helper = self.helper()
        command = ("/usr/bin/env",)
        given: dict[str, Any] = {"environment": {"A": "1", "B": "a b=c"}}
        first = self.talk(helper, command, 1, extra=b"C=3\0A=2", **given)
        self.assertEqual(sorted(first.splitlines()), [b"A=2", b"B=a b=c", b"C=3"])
        second = self.talk(helper, command, 2, **given)
        self.assertEqual(sorted(second.splitlines()), [b"A=1", b"B=a b=c"])
        third = self.talk(helper, command, 3, environment={})
        self.assertEqual(third, b"")

    def test_context(self) -> None:
        """A program has the context that the fork server was started with."""
        folder = os.path.realpath(self.mktemp())
        os.mkdir(folder)
        limit = "RLIMIT_NOFILE=40:50"
        helper = self.helper("umask=077", f"directory={folder}", "nice=0", limit)
        found = self.probe(helper)
        self.assertEqual(found["umask"], "077")
        self.assertEqual(found["cwd"], folder)
        self.assertEqual(found["nofile"], [40, 50])

    def test_defaults(self) -> None:
        """A program has the root directory and the usual umask by default."""
        found = self.probe(self.helper())
        self.assertEqual((found["umask"], found["cwd"]), ("022", "/"))

    def test_nice(self) -> None:
        """Programs may have a lower priority."""
        output = self.talk(self.helper("nice=3"), ("/usr/bin/nice",))
        self.assertEqual(int(output), os.nice(0) + 3)

    def test_identity(self) -> None:
        """As root, the programs are another user's, with that user's groups."""
        if os.getuid() != 0:
            self.skipTest("only root can do that")
        helper = self.helper("groups=8,65533", "gid=65533", "uid=65534")
        pattern = "^(Uid|Gid|Groups)"
        output = self.talk(helper, ("/bin/grep", "-E", pattern, "/proc/self/status"))
        self.assertEqual(
            [line.split()[1:] for line in output.decode().splitlines()],
            [["65534"] * 4, ["65533"] * 4, ["8", "65533"]],
        )

    def test_ends(self) -> None:
        """The exit of a program is reported with its status or its signal."""
        helper = self.helper()
        for number, (command, status) in enumerate(
            (("exit 3", 3 << 8), ("kill -9 $$", 9)), 1
        ):
            with open(os.devnull) as null:
                helper.launch(number, ("/bin/sh", "-c", command), null.fileno())
            pid = helper.receive()[2]
            self.assertEqual(helper.receive(), (ENDED, number, pid, status))

    def test_script(self) -> None:
        """A script without C{#!} is run by the shell, as by execvp(3)."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write('echo "$1"\n')
        os.chmod(path, 0o755)
        self.assertEqual(self.talk(self.helper(), (path, "a b")), b"a b\n")

    def test_failures(self) -> None:
        """
        A program that cannot be started is reported with the errno.

        The connection of the client is closed without a byte.
        """
        helper = self.helper()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                helper.launch(1, ("/nowhere",), theirs.fileno())
            ours.settimeout(PATIENCE)
            self.assertEqual(ours.recv(100), b"")
        self.assertEqual(helper.receive(), (FAILED, 1, 0, errno.ENOENT))
        report = self.failure(helper, ("/etc/passwd",))
        self.assertEqual(report, (FAILED, 1, 0, errno.EACCES))

    def unixServer(self) -> socket.socket:
        """Return a listening socket whose clients have no address."""
        server = self.closing(socket.socket(socket.AF_UNIX))
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        server.bind(f"{folder}/socket")
        server.listen()
        server.setblocking(False)
        return server

    def dropped(self, helper: Running, argv: Sequence[str]) -> Report:
        """Return the report when the connection of such a client is to be accepted."""
        server = self.unixServer()
        self.closing(socket.socket(socket.AF_UNIX)).connect(server.getsockname())
        helper.accept(5, argv, server)
        return helper.receive()

    def test_dropped(self) -> None:
        """
        An accepted connection that no program can be started for is reported.

        This is so also for a client without an address.
        """
        report = self.dropped(self.helper(), ("/nowhere",))
        self.assertEqual(report, (DROPPED, 5, NOT_STARTED, errno.ENOENT))
        folder = os.path.abspath(self.mktemp())
        report = self.dropped(self.helper(f"directory={folder}"), ("/bin/true",))
        self.assertEqual(report, (DROPPED, 5, NOT_ENTERED, errno.ENOENT))

    def client(self, server: socket.socket) -> socket.socket:
        """Return a client of a UNIX socket."""
        client = self.closing(socket.socket(socket.AF_UNIX))
        client.settimeout(PATIENCE)
        client.connect(server.getsockname())
        return client

    def assertServes(self, helper: Running, number: int, server: socket.socket) -> None:
        """See that it accepts from a socket."""
        self.assertEqual(self.client(server).recv(100), b"%d\n" % number)
        self.assertEqual(helper.receive()[:2], (ACCEPTED, number))
        self.assertEqual(helper.receive()[:2], (ENDED, number))

    def assertLeft(self, server: socket.socket) -> None:
        """See that clients of a socket are left to the daemon."""
        self.client(server)
        server.settimeout(PATIENCE)
        server.accept()[0].close()

    def test_withdrawn(self) -> None:
        """
        A socket that is withdrawn is closed, and reported as withdrawn.

        The other sockets are accepted from still.
        """
        helper = self.helper()
        before = helper.opened()
        servers = {number: self.unixServer() for number in (5, 6)}
        for number, server in servers.items():
            helper.accept(number, ("/bin/echo", str(number)), server)
            self.assertServes(helper, number, server)
        self.assertEqual(helper.opened(), (before[0] + 2, before[1] + 2))
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertEqual(helper.opened(), (before[0] + 1, before[1] + 1))
        self.assertLeft(servers[5])
        self.assertServes(helper, 6, servers[6])
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertServes(helper, 6, servers[6])
        helper.withdraw(6)
        self.assertEqual(helper.receive(), (WITHDRAWN, 6, 0, 0))
        self.assertLeft(servers[6])
        self.assertEqual(helper.opened(), before)

    def test_givenAgain(self) -> None:
        """A socket that is delegated again replaces the one with its number."""
        helper = self.helper()
        before = helper.opened()
        first, second = self.unixServer(), self.unixServer()
        helper.accept(5, ("/bin/echo", "5"), first)
        self.assertServes(helper, 5, first)
        helper.accept(5, ("/bin/echo", "5"), second)
        self.assertServes(helper, 5, second)
        self.assertEqual(helper.opened(), (before[0] + 1, before[1] + 1))
        self.assertLeft(first)

    def test_crowded(self) -> None:
        """
        All sockets are returned, and reported, when as many programs run as may.

        Programs for launch requests do not count.
        """
        helper = self.helper()
        before = helper.opened()
        servers = {number: self.unixServer() for number in (5, 6)}
        for number, server in servers.items():
            helper.accept(number, ("/bin/cat",), server, most=2)
        clients = [self.client(servers[5])]
        self.assertEqual(helper.receive()[:2], (ACCEPTED, 5))
        self.assertEqual(helper.opened(), (before[0] + 2, before[1] + 2))
        clients.append(self.client(servers[6]))
        self.assertEqual(helper.receive()[:2], (ACCEPTED, 6))
        crowded = sorted((helper.receive(), helper.receive()))
        self.assertEqual(crowded, [(RETURNED, 5, 0, 0), (RETURNED, 6, 0, 0)])
        self.assertEqual(helper.opened(), before)
        for server in servers.values():
            self.assertLeft(server)
        for client in clients:
            client.close()
            self.assertEqual(helper.receive()[0], ENDED)
        helper.accept(5, ("/bin/echo", "5"), servers[5], most=2)
        self.assertServes(helper, 5, servers[5])

    def test_untaken(self) -> None:
        """A connection that cannot be accepted is reported, and stays queued."""
        helper, server = self.helper(), self.unixServer()
        helper.accept(5, ("/bin/true",), server)
        self.talk(helper, ("/bin/true",))
        resource.prlimit(helper.pid, resource.RLIMIT_NOFILE, (3, 3))
        self.closing(socket.socket(socket.AF_UNIX)).connect(server.getsockname())
        self.assertEqual(helper.receive(), (DROPPED, 5, NOT_ACCEPTED, errno.EMFILE))
        server.accept()[0].close()

    def test_failuresWithLimits(self) -> None:
        """A program with limits that cannot be started is reported."""
        helper = self.helper("RLIMIT_CORE=0:0")
        report = self.failure(helper, ("/nowhere",))
        self.assertEqual(report, (FAILED, 1, 0, errno.ENOENT))

    def test_directoryLater(self) -> None:
        """Nothing is started while the working directory is missing."""
        folder = os.path.realpath(self.mktemp())
        helper = self.helper(f"directory={folder}")
        report = self.failure(helper, ("/bin/true",))
        self.assertEqual(report, (NO_DIRECTORY, 1, 0, errno.ENOENT))
        os.mkdir(folder)
        self.assertEqual(self.talk(helper, ("/bin/pwd",)), os.fsencode(folder) + b"\n")

    def test_directoryAnew(self) -> None:
        """
        Each program starts in the directory that the path leads to at that time.

        A link may be switched, and a directory be replaced.
        """
        folder = os.path.realpath(self.mktemp())
        current = os.path.join(folder, "current")
        for name in ("one", "two"):
            os.makedirs(os.path.join(folder, name))
        os.symlink("one", current)
        helper = self.helper(f"directory={current}")

        def entered() -> str:
            output = self.talk(helper, ("/bin/pwd", "-P")).decode().strip()
            return os.path.relpath(output, folder)

        self.assertEqual(entered(), "one")
        os.symlink("two", f"{current}.new")
        os.rename(f"{current}.new", current)
        self.assertEqual(entered(), "two")
        os.rmdir(os.path.join(folder, "two"))
        report = self.failure(helper, ("/bin/true",))
        self.assertEqual(report, (NO_DIRECTORY, 1, 0, errno.ENOENT))
        os.mkdir(os.path.join(folder, "two"))
        self.assertEqual(entered(), "two")

    def test_search(self) -> None:
        """
        A program is searched in PATH at every start, as its user.

        This is so also for accepted connections, with and without limits.
        """
        folder = os.path.realpath(self.mktemp())
        os.mkdir(folder)
        first = os.path.join(folder, "cat")
        paths = ("/nowhere/cat", "/etc/passwd", first, "/bin/cat")
        for limit in ((), ("RLIMIT_CORE=0:0",)):
            helper, server = self.helper(*limit), self.unixServer()
            helper.accept(5, ("cat", "/proc/self/comm"), server, paths)
            for wanted in (b"cat\n", b"first", b"cat\n"):
                client = self.closing(socket.socket(socket.AF_UNIX))
                client.settimeout(PATIENCE)
                client.connect(server.getsockname())
                self.assertEqual(client.recv(100), wanted)
                self.assertEqual(helper.receive()[:2], (ACCEPTED, 5))
                self.assertEqual(helper.receive()[:2], (ENDED, 5))
                if wanted == b"first":
                    os.unlink(first)
                elif not os.path.exists(first):
                    with open(first, "w") as file:
                        file.write("#!/bin/sh\nprintf first\n")
                    os.chmod(first, 0o755)
            os.unlink(first)

    def launchLarge(
        self, helper: Running, environment: dict[str, str], short: int = 0
    ) -> socket.socket:
        """
        LaunchRequest C{env} with an environment that is in a file.

        @param short: how much is missing in the file.

        @return: what the program writes to.
        """
        shared = encodeProgram(
            LaunchRequest("/usr/bin/env", ("env",), environment, {}, (0, 0, 0))
        )
        head = HEADER.pack(LAUNCH, True, 1, 0, 0, len(shared))
        ours, theirs = socket.socketpair()
        ours.settimeout(PATIENCE)
        with theirs, tempfile.TemporaryFile() as file:
            file.write(shared[: len(shared) - short])
            file.flush()
            fds = array.array("i", [theirs.fileno(), file.fileno()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            helper.channel.sendmsg([head + b"LAST=1"], rights)
        return self.closing(ours)

    def test_large(self) -> None:
        """A program may be in a file, up to the limit of execve(2)."""
        before = resource.getrlimit(resource.RLIMIT_STACK)
        most = before[1] if before[1] != resource.RLIM_INFINITY else 64 << 20
        resource.setrlimit(resource.RLIMIT_STACK, (most, before[1]))
        try:
            helper = self.helper()
        finally:
            resource.setrlimit(resource.RLIMIT_STACK, before)
        folder = f"/proc/{helper.pid}/fd"
        count = len(os.listdir(folder))
        # Linux takes a quarter of the stack, and no more than 6 MB.
        most = min(most // 4, 6 << 20) // 100_000 - 4
        for variables in (1, 3, most):
            given = {f"A{number}": "x" * 100_000 for number in range(variables)}
            read = partial(self.launchLarge(helper, given).recv, 1 << 20)
            output = b"".join(iter(read, b"")).decode().split()
            wanted = [*(f"{name}={value}" for name, value in given.items()), "LAST=1"]
            self.assertTrue(sorted(output) == sorted(wanted), len(output))
            pid = helper.receive()[2]
            self.assertEqual(helper.receive(), (ENDED, 1, pid, 0))
            self.assertEqual(len(os.listdir(folder)), count)

    def test_tooLarge(self) -> None:
        """A program that is too large for execve(2) fails, and so does a short file."""
        helper = self.helper()
        self.launchLarge(helper, {"A": "x" * (1 << 18)})
        self.assertEqual(helper.receive(), (FAILED, 1, 0, errno.E2BIG))
        self.launchLarge(helper, {"A": "x"}, short=1)
        self.assertEqual(helper.receive(), (FAILED, 1, 0, errno.EBADMSG))

    def test_many(self) -> None:
        """Many requests at a time are all handled, and each exit is reported."""
        helper = self.helper()
        with open(os.devnull) as null:
            for number in range(1, 51):
                helper.launch(number, ("/bin/true",), null.fileno())
        received = [helper.receive()[:2] for _ in range(100)]
        for kind in (STARTED, ENDED):
            numbers = sorted(number for each, number in received if each == kind)
            self.assertEqual(numbers, [*range(1, 51)])

    def test_refused(self) -> None:
        """A fork server that may not begin handles no request, and exits."""
        helper = Running()
        helper.begin = b""
        self.addCleanup(helper.end)
        reading, writing = os.pipe()
        helper.launch(7, ("/bin/echo", "started"), writing)
        os.close(writing)
        helper.start()
        with open(reading, "rb") as pipe:
            self.assertEqual(pipe.read(), b"")
        self.assertEqual(os.waitpid(helper.pid, 0), (helper.pid, 0))
        helper.pid = 0

    def test_queued(self) -> None:
        """The first report names the first request in the channel."""
        helper = Running()
        self.addCleanup(helper.end)
        with open(os.devnull) as null:
            for number in (7, 8):
                helper.launch(number, ("/bin/true",), null.fileno())
        helper.start()
        self.assertEqual(helper.receive(), (HELLO, 7, helper.pid, VERSION))
        self.assertEqual(helper.receive()[:2], (STARTED, 7))

    def test_daemonGone(self) -> None:
        """The fork server exits when the daemon is gone; its programs go on."""
        helper = self.helper()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                helper.launch(1, ("/bin/cat",), theirs.fileno())
            helper.receive()
            self.assertEqual(helper.end(), 0)
            ours.settimeout(PATIENCE)
            ours.sendall(b"still here")
            self.assertEqual(ours.recv(100), b"still here")

    def test_lastOrders(self) -> None:
        """Requests that the daemon sent before it exited are handled."""
        helper = self.helper()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                for number in range(1, 20):
                    helper.launch(number, ("/bin/true",), theirs.fileno())
                helper.launch(20, ("/bin/echo", "here"), theirs.fileno())
            helper.end()
            ours.settimeout(PATIENCE)
            self.assertEqual(ours.recv(100), b"here\n")

    def test_signals(self) -> None:
        """
        Signals for the process group of the daemon do not end a fork server.

        It is in a session of its own.
        """
        helper = self.helper()
        self.assertNotEqual(os.getsid(helper.pid), os.getsid(0))
        for number in (signal.SIGHUP, signal.SIGINT):
            os.kill(helper.pid, number)
        self.assertEqual(self.talk(helper, ("/bin/echo", "here")), b"here\n")

    def test_nothingKept(self) -> None:
        """
        A fork server has as many descriptors after many programs as before.

        No child is left unreaped.
        """
        helper = self.helper()
        folder = f"/proc/{helper.pid}/fd"
        before = len(os.listdir(folder))
        for number in range(1, 6):
            self.talk(helper, ("/bin/true",), number)
            self.failure(helper, ("/nowhere",))
        self.assertEqual(len(os.listdir(folder)), before)
        children = f"/proc/{helper.pid}/task/{helper.pid}/children"
        if os.path.exists(children):
            with open(children) as file:
                self.assertEqual(file.read(), "")
