# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.forkserver}: for the program as it runs."""

from __future__ import annotations

import array
import errno
import os
import resource
import signal
import socket
import tempfile
from functools import partial
from typing import Any

from inetdtw.helpers.reports import ENDED, FAILED, HELLO, NO_DIRECTORY, STARTED
from inetdtw.helpers.requests import HEADER, LAUNCH
from inetdtw.helpers.test.running import VERSION, ProgramTestCase, Running
from inetdtw.helpers.test.test_spawn import ignored
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.packets import encodeProgram
from inetdtw.test.fakes import PATIENCE, openDescriptors


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
        directory = os.path.realpath(self.mktemp())
        os.mkdir(directory)
        limit = "RLIMIT_NOFILE=40:50"
        helper = self.helper("umask=077", f"directory={directory}", "nice=0", limit)
        found = self.probe(helper)
        self.assertEqual(found["umask"], "077")
        self.assertEqual(found["cwd"], directory)
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

    def test_failuresWithLimits(self) -> None:
        """A program with limits that cannot be started is reported."""
        helper = self.helper("RLIMIT_CORE=0:0")
        report = self.failure(helper, ("/nowhere",))
        self.assertEqual(report, (FAILED, 1, 0, errno.ENOENT))

    def test_directoryLater(self) -> None:
        """Nothing is started while the working directory is missing."""
        directory = os.path.realpath(self.mktemp())
        helper = self.helper(f"directory={directory}")
        report = self.failure(helper, ("/bin/true",))
        self.assertEqual(report, (NO_DIRECTORY, 1, 0, errno.ENOENT))
        os.mkdir(directory)
        self.assertEqual(
            self.talk(helper, ("/bin/pwd",)), os.fsencode(directory) + b"\n"
        )

    def test_directoryAnew(self) -> None:
        """
        Each program starts in the directory that the path leads to at that time.

        A link may be switched, and a directory be replaced.
        """
        directory = os.path.realpath(self.mktemp())
        current = os.path.join(directory, "current")
        for name in ("one", "two"):
            os.makedirs(os.path.join(directory, name))
        os.symlink("one", current)
        helper = self.helper(f"directory={current}")

        def entered() -> str:
            output = self.talk(helper, ("/bin/pwd", "-P")).decode().strip()
            return os.path.relpath(output, directory)

        self.assertEqual(entered(), "one")
        os.symlink("two", f"{current}.new")
        os.rename(f"{current}.new", current)
        self.assertEqual(entered(), "two")
        os.rmdir(os.path.join(directory, "two"))
        report = self.failure(helper, ("/bin/true",))
        self.assertEqual(report, (NO_DIRECTORY, 1, 0, errno.ENOENT))
        os.mkdir(os.path.join(directory, "two"))
        self.assertEqual(entered(), "two")


class RequestTests(ProgramTestCase):
    """Tests for requests, of any length and number, and for the end of the daemon."""

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
        directory = f"/proc/{helper.pid}/fd"
        count = len(os.listdir(directory))
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
            self.assertEqual(len(os.listdir(directory)), count)

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

    def test_lastRequests(self) -> None:
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
        directory = f"/proc/{helper.pid}/fd"
        before = len(os.listdir(directory))
        for number in range(1, 6):
            self.talk(helper, ("/bin/true",), number)
            self.failure(helper, ("/nowhere",))
        self.assertEqual(len(os.listdir(directory)), before)
        children = f"/proc/{helper.pid}/task/{helper.pid}/children"
        if os.path.exists(children):
            with open(children) as file:
                self.assertEqual(file.read(), "")
