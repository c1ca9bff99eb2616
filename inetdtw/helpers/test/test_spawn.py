# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.spawn}."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import sys
from functools import partial
from typing import Any, Callable

from inetdtw.helpers.protocol import Program
from inetdtw.helpers.spawn import (
    DirectoryMissing,
    forkAndExec,
    parseContext,
    reasonOf,
    spawn,
)
from inetdtw.model.process import ProcessContext
from inetdtw.test.fakes import ServingTestCase, openDescriptors

#: Says what it finds, to its descriptor 1.
PROBE = """\
import json, os, resource, sys
fds = {fd: os.fstat(int(fd)).st_ino for fd in sorted(os.listdir("/proc/self/fd"))
    if os.path.exists("/proc/self/fd/" + fd)}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "argv": sys.argv,
    "environ": dict(os.environ),
    "fds": fds,
    "leads": os.getsid(0) == os.getpid(),
    "masked": status["SigBlk"].strip(),
    "ignored": status["SigIgn"].strip(),
    "cwd": os.getcwd(),
    "umask": "%03o" % os.umask(0),
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
}))
"""
TRUE: Program = ([b"/bin/true"], [b"true"], {})


def ignored(mask: str | bytes, *others: int) -> int:
    """
    Return the signals in a hexadecimal mask that no test runner ignores.

    @param others: what the program ignores by itself.
    """
    # glibc's posix_spawn(3) leaves the two ignored that threads use; a process with
    # threads sets them.
    known = (32, 33, *others)
    return int(mask, 16) & ~sum(1 << number - 1 for number in known)


def children() -> set[str]:
    """Return the children of this process, where the system lists them."""
    path = f"/proc/self/task/{os.getpid()}/children"
    if not os.path.exists(path):
        return set()
    with open(path) as file:
        return set(file.read().split())


def contextWith(**given: str) -> dict[str, str]:
    """Return a context with some values."""
    return {**parseContext(ProcessContext().toArguments()), **given}


class StartTestsMixin:
    """Tests for what starts a program."""

    start: Callable[..., int]

    def run_(self: Any, *arguments: Any, **given: Any) -> bytes:
        """Start a program, and give what it writes to its descriptors."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                path, *rest = arguments
                pid = self.start(([path], *rest), [theirs.fileno()], **given)
            output = b""
            ours.settimeout(30)
            while True:
                piece = ours.recv(1 << 16)
                if not piece:
                    break
                output += piece
        os.waitpid(pid, 0)
        return output

    def probe(self: Any, **given: Any) -> Any:
        """Return what a program finds."""
        path = os.path.realpath(sys.executable)
        argv = ("python", "-I", "-S", "-c", PROBE, "a b", "")
        output = self.run_(path, argv, {"A": "1", "B": "\udcff"}, **given)
        self.assertTrue(output, "no output")
        return json.loads(output)

    def test_descriptors(self: Any) -> None:
        """The program has three descriptors only, although this process has many."""
        others = [os.open(os.devnull, os.O_RDONLY) for _ in range(20)]
        for fd in others:
            self.addCleanup(os.close, fd)
        fds = self.probe()["fds"]
        self.assertLessEqual({"0", "1", "2"}, set(fds))
        self.assertEqual(fds["0"], fds["1"])
        self.assertEqual(fds["1"], fds["2"])
        # The process that runs the tests may leave descriptors to all its programs.
        left = {fd for fd in openDescriptors() if os.get_inheritable(int(fd))}
        self.assertEqual(set(fds) - {"0", "1", "2"} - left, set())

    def test_three(self: Any) -> None:
        """Each of three descriptors has its number in the program."""
        pairs = [os.pipe() for _ in range(3)]
        argv = ("sh", "-c", "cat; echo one; echo two >&2")
        pid = self.start(
            (["/bin/sh"], argv, {"PATH": "/bin:/usr/bin"}),
            [pairs[0][0], pairs[1][1], pairs[2][1]],
        )
        os.write(pairs[0][1], b"zero ")
        for fd in (pairs[0][0], pairs[0][1], pairs[1][1], pairs[2][1]):
            os.close(fd)
        output = []
        for reading, _ in pairs[1:]:
            with open(reading, "rb") as pipe:
                output.append(pipe.read())
        os.waitpid(pid, 0)
        self.assertEqual(output, [b"zero one\n", b"two\n"])

    def test_arguments(self: Any) -> None:
        """The arguments and the environment are exactly those."""
        found = self.probe()
        self.assertEqual(found["argv"], ["-c", "a b", ""])
        environ = {k: v for k, v in found["environ"].items() if k != "LC_CTYPE"}
        self.assertEqual(environ, {"A": "1", "B": "\udcff"})

    def test_session(self: Any) -> None:
        """The program leads a session of its own."""
        self.assertTrue(self.probe()["leads"])

    def test_signals(self: Any) -> None:
        """The program ignores and blocks no signal, whatever this process does."""
        for number in (signal.SIGHUP, signal.SIGUSR1):
            self.addCleanup(
                signal.signal, number, signal.signal(number, signal.SIG_IGN)
            )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        found = self.probe()
        self.assertEqual(int(found["masked"], 16), 0)
        self.assertEqual(ignored(found["ignored"], signal.SIGPIPE, signal.SIGXFSZ), 0)

    def test_pipeSignal(self: Any) -> None:
        """The program does not ignore SIGPIPE, which this process ignores."""
        output = self.run_(
            "/bin/sh",
            ("sh", "-c", "grep SigIgn /proc/self/status"),
            {"PATH": "/bin:/usr/bin"},
        )
        self.assertEqual(ignored(output.split()[1]), 0)

    def test_missing(self: Any) -> None:
        """A missing program raises C{OSError}, and no process is left."""

        def work() -> None:
            given: Any = ((["/nowhere"], ("x",), {}), [0])
            why = self.assertRaises(OSError, self.start, *given)
            self.assertEqual(why.errno, errno.ENOENT)

        before = children()
        self.leavesNothingOpen(work)
        self.assertLessEqual(children(), before)

    def test_notExecutable(self: Any) -> None:
        """A file that is not executable raises C{OSError}."""
        given: Any = ((["/etc/passwd"], ("x",), {}), [0])
        why = self.assertRaises(OSError, self.start, *given)
        self.assertEqual(why.errno, errno.EACCES)

    def install(self: Any, name: str, mode: int = 0o755) -> str:
        """
        Make a program in a directory of its own, which prints where it is.

        @return: its path.
        """
        directory = os.path.join(os.path.abspath(self.mktemp()), name)
        os.makedirs(directory)
        path = os.path.join(directory, "prog")
        with open(path, "w") as file:
            file.write(f"#!/bin/sh\necho {name}\n")
        os.chmod(path, mode)
        return path

    def test_search(self: Any) -> None:
        """Of several paths it is the first that can be executed, as in PATH."""
        bad = [self.install("forbidden", 0o644), "/nowhere/prog", "/etc/passwd/prog"]
        bad += [os.path.dirname(bad[0]), "/" + "x" * 5000, "x/" * 5000]
        first, second = self.install("first"), self.install("second")
        for paths, wanted in (
            ([first, second], b"first\n"),
            ([*bad, first, second], b"first\n"),
            ([*bad, second, first], b"second\n"),
            ([*bad, second], b"second\n"),
        ):
            reading, writing = os.pipe()
            pid = self.start((paths, ("prog",), {"PATH": "/bin"}), [writing])
            os.close(writing)
            with open(reading, "rb") as pipe:
                self.assertEqual(pipe.read(), wanted)
            os.waitpid(pid, 0)

    def test_searchInVain(self: Any) -> None:
        """The errno shows whether a program exists, when none can be executed."""
        forbidden = self.install("forbidden", 0o644)
        for paths, code in (
            (["/nowhere/a", "/etc/passwd/a"], errno.ENOENT),
            (["/nowhere/a", forbidden, "/etc/passwd/a"], errno.EACCES),
            (["/etc/passwd/a"], errno.ENOTDIR),
        ):
            given: Any = ((paths, ("a",), {}), [0])
            why = self.assertRaises(OSError, self.start, *given)
            self.assertEqual(why.errno, code)

    def test_searchEnds(self: Any) -> None:
        """An error of a program that was found ends the search."""
        paths = [self.install("a"), self.install("b")]
        program: Any = (paths, ("a", "x" * (1 << 18)), {})
        why = self.assertRaises(OSError, self.start, program, [0])
        self.assertEqual(why.errno, errno.E2BIG)

    def test_script(self: Any) -> None:
        """A script without C{#!} is run by the shell, as by execvp(3)."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write('echo "$0" "$@" $A\n')
        os.chmod(path, 0o755)
        output = self.run_(path, ("name", "a b"), {"A": "1", "PATH": "/bin"})
        self.assertEqual(output, os.fsencode(path) + b" a b 1\n")

    def test_leavesNothing(self: Any) -> None:
        """This process has no more open afterwards than before."""
        self.leavesNothingOpen(lambda: self.run_("/bin/true", ("true",), {}))


class SpawnTests(ServingTestCase, StartTestsMixin):
    """Tests for L{spawn}."""

    start = staticmethod(spawn)


class ForkAndExecTests(ServingTestCase, StartTestsMixin):
    """Tests for L{forkAndExec}."""

    start = staticmethod(partial(forkAndExec, limits=()))

    def test_limits(self) -> None:
        """The program has the limits, and this process its own."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        found = self.probe(limits=[(resource.RLIMIT_NOFILE, 20, 30)])
        self.assertEqual(found["nofile"], [20, 30])
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), before)

    def test_context(self) -> None:
        """
        The program has the umask and the directory of its context.

        This process keeps its own.
        """
        umask = os.umask(0o022)
        self.addCleanup(os.umask, umask)
        before = os.getcwd()
        directory = os.path.realpath(self.mktemp())
        os.mkdir(directory)
        found = self.probe(context=contextWith(umask="077", directory=directory))
        self.assertEqual((found["umask"], found["cwd"]), ("077", directory))
        self.assertEqual((os.getcwd(), os.umask(0o022)), (before, 0o022))

    def test_noDirectory(self) -> None:
        """Without its directory it is not started."""
        context = contextWith(directory="/nowhere")
        given: Any = (TRUE, [0], (), context)
        why = self.assertRaises(DirectoryMissing, forkAndExec, *given)
        self.assertEqual((why.errno, why.filename), (errno.ENOENT, "/nowhere"))
        self.assertEqual(reasonOf(why), "/nowhere: No such file or directory")

    def test_identity(self) -> None:
        """As root, the program is another user's, with that user's groups."""
        if os.getuid() != 0:
            self.skipTest("only root can do that")
        context = contextWith(uid="65534", gid="65533", groups="65533,8")
        output = self.run_(
            "/bin/sh",
            ("sh", "-c", "grep -E '^(Uid|Gid|Groups)' /proc/self/status"),
            {"PATH": "/bin:/usr/bin"},
            context=context,
        )
        lines = [line.split() for line in output.decode().splitlines()]
        self.assertEqual(
            lines,
            [
                ["Uid:", *["65534"] * 4],
                ["Gid:", *["65533"] * 4],
                ["Groups:", "8", "65533"],
            ],
        )

    def test_sameIdentity(self) -> None:
        """A user that is this process' own needs no capability: root may have none."""

        def setgroups(groups: list[int]) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        self.patch(os, "setgroups", setgroups)
        groups = ",".join(map(str, os.getgroups()))
        own = {"uid": str(os.getuid()), "gid": str(os.getgid()), "groups": groups}
        output = self.run_("/bin/echo", ("echo", "x"), {}, context=contextWith(**own))
        self.assertEqual(output, b"x\n")
        given: Any = (TRUE, [0], ())
        other = contextWith(**{**own, "groups": f"{groups},54321"})
        why = self.assertRaises(OSError, forkAndExec, *given, other)
        self.assertEqual(why.errno, errno.EPERM)

    def test_noProcesses(self) -> None:
        """No descriptor is left open when fork(2) fails."""

        def fork() -> int:
            raise BlockingIOError(errno.EAGAIN, "no more processes")

        self.patch(os, "fork", fork)

        def work() -> None:
            self.assertRaises(OSError, forkAndExec, TRUE, [0], ())

        self.leavesNothingOpen(work)
