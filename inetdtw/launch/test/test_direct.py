# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.direct}."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from zope.interface.verify import verifyObject

from twisted.internet.process import reapAllProcesses

from inetdtw.interfaces import ExitStatus, ILauncher, LaunchRequest
from inetdtw.launch.direct import DirectLauncher
from inetdtw.launch.retryqueue import FIRST_PAUSE
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.system.exitwatch import hasPidfds
from inetdtw.test import fakes
from inetdtw.test.fakes import FakeChild, ServingTestCase, openDescriptors, openedSince


class DirectTestCase(ServingTestCase):
    """A test of programs that are children of this process."""

    #: Whether there are pidfds, or C{None} for what the system has.
    pidfds: bool | None = None

    def setUp(self) -> None:
        """Make a socket pair, whose other end programs get."""
        super().setUp()
        ours, theirs = socket.socketpair()
        self.ours, self.theirs = self.closing(ours), self.closing(theirs)
        self.ours.settimeout(fakes.PATIENCE)
        self.before = openDescriptors()

    def launcherOf(self, **context: Any) -> DirectLauncher:
        """Return a launcher of a context, by default of this process' own."""
        context.setdefault("directory", os.getcwd())
        return DirectLauncher(
            ProcessContext(**context), self.reactor, self.runtime.report, self.pidfds
        )

    def launch(self, launcher: DirectLauncher, *argv: str, **given: Any) -> FakeChild:
        """Request a program."""
        child = FakeChild()
        usual: dict[str, Any] = {
            "environment": {"PATH": "/bin:/usr/bin"},
            "extra": {},
            "fds": (self.theirs.fileno(),) * 3,
        }
        request = LaunchRequest(argv[0], argv, **{**usual, **given})
        launcher.launch(child, request)
        return child

    def await_(self, child: FakeChild) -> None:
        """Wait for the end of a program."""
        self.reactor.turnUntil(lambda: len(child.calls) == 2)

    def output(self) -> bytes:
        """Return the output of programs that have ended."""
        self.ours.setblocking(False)
        try:
            return self.ours.recv(1 << 16)
        except BlockingIOError:
            return b""

    def run_(self, launcher: DirectLauncher, *argv: str, **given: Any) -> bytes:
        """Return the output of a program that exits with 0."""
        child = self.launch(launcher, *argv, **given)
        self.await_(child)
        self.assertEqual(child.calls[1].status, 0)
        return self.output()


class PidfdTests(DirectTestCase):
    """Tests for L{DirectLauncher} with pidfds."""

    if not hasPidfds():
        skip = "This system has no pidfds."

    def test_interface(self) -> None:
        """It is a launcher that starts no helper process."""
        launcher = self.launcherOf()
        verifyObject(ILauncher, launcher)
        launcher.retire()
        self.assertTrue(launcher.hasCapacity)

    def test_over(self) -> None:
        """It is over when none of its programs runs."""
        launcher = self.launcherOf()
        child = self.launch(launcher, "/bin/cat")
        self.assertFalse(launcher.over)
        self.ours.shutdown(socket.SHUT_WR)
        self.await_(child)
        self.assertTrue(launcher.over)

    def contexts(self) -> list[DirectLauncher]:
        """Return a launcher that can use posix_spawn(3), and one that cannot."""
        return [self.launcherOf(), self.launcherOf(directory="/")]

    def test_life(self) -> None:
        """A program starts, and ends with its status and CPU time."""
        for launcher in self.contexts():
            child = self.launch(launcher, "/bin/sh", "-c", "echo here; exit 3")
            self.assertEqual(len(child.calls), 1)
            self.assertTrue(launcher.awaits(child.calls[0]))
            self.await_(child)
            self.assertFalse(launcher.awaits(child.calls[0]))
            pid, how = child.calls
            self.assertEqual((how.status, how.signal), (3, None))
            self.assertGreater(how.cpu, 0)
            self.assertEqual(self.output(), b"here\n")
            self.assertRaises(ChildProcessError, os.waitpid, pid, os.WNOHANG)
            self.assertEqual(openedSince(self.before), {})
            self.assertEqual(self.reactor.getReaders(), [])

    def test_killed(self) -> None:
        """A program that was killed ends with the signal."""
        for launcher in self.contexts():
            child = self.launch(launcher, "/bin/sh", "-c", "kill -9 $$")
            self.await_(child)
            self.assertEqual((child.calls[1].status, child.calls[1].signal), (None, 9))

    def test_environment(self) -> None:
        """The environment is the service's and what this one program has."""
        for launcher in self.contexts():
            output = self.run_(
                launcher,
                "/usr/bin/env",
                environment={"A": "1", "B": "2"},
                extra={"B": "3", "C": "4"},
            )
            self.assertEqual(sorted(output.split()), [b"A=1", b"B=3", b"C=4"])

    def test_context(self) -> None:
        """
        The program has the umask and the directory of its context.

        This process keeps its own.
        """
        umask = os.umask(0o027)
        self.addCleanup(os.umask, umask)
        current = os.getcwd()
        for directory in (current, "/"):
            launcher = self.launcherOf(umask=0o077, directory=directory)
            output = self.run_(launcher, "/bin/sh", "-c", "umask; pwd")
            self.assertEqual(output.split(), [b"0077", os.fsencode(directory)])
            self.assertEqual((os.umask(0o027), os.getcwd()), (0o027, current))

    def test_umaskAfterFailure(self) -> None:
        """This process keeps its umask when a program cannot be started, too."""
        umask = os.umask(0o027)
        self.addCleanup(os.umask, umask)
        self.launch(self.launcherOf(umask=0o077), "/nowhere")
        self.assertEqual(os.umask(0o027), 0o027)

    def test_identity(self) -> None:
        """As root, the program may be another user's."""
        if os.getuid() != 0:
            self.skipTest("only root can do that")
        launcher = self.launcherOf(
            directory="/", credentials=Credentials(65534, 65533, (8, 65533))
        )
        pattern = "^(Uid|Groups)"
        output = self.run_(launcher, "/bin/grep", "-E", pattern, "/proc/self/status")
        lines = [line.split()[1:] for line in output.decode().splitlines()]
        self.assertEqual(lines, [["65534"] * 4, ["8", "65533"]])

    def test_failures(self) -> None:
        """
        A program that cannot be started fails with the reason.

        Nothing is written to the client.
        """
        for launcher in self.contexts():
            for path, number in (
                ("/nowhere", errno.ENOENT),
                ("/etc/passwd", errno.EACCES),
            ):
                child = self.launch(launcher, path)
                self.assertEqual(child.calls, [os.strerror(number)])
            self.assertEqual(self.output(), b"")
            self.assertEqual(openedSince(self.before), {})

    def test_noDirectory(self) -> None:
        """A missing working directory is named in the reason."""
        path = os.path.abspath(self.mktemp())
        child = self.launch(self.launcherOf(directory=path), "/bin/true")
        self.assertEqual(child.calls, [f"{path}: No such file or directory"])

    def test_directoryAnew(self) -> None:
        """
        A program starts in a directory that was replaced.

        This is so also where this process is in the old one.
        """
        path = os.path.realpath(self.mktemp())
        os.mkdir(path)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(path)
        launcher = self.launcherOf(directory=path)
        command = ("/bin/sh", "-c", "ls; pwd -P")
        wanted = os.fsencode(path) + b"\n"
        self.assertEqual(self.run_(launcher, *command), wanted)
        os.rename(path, f"{path}.old")
        os.mkdir(path)
        os.mkdir(os.path.join(path, "new"))
        self.assertEqual(self.run_(launcher, *command), b"new\n" + wanted)
        os.rmdir(f"{path}.old")
        self.assertEqual(self.run_(launcher, *command), b"new\n" + wanted)

    def test_directoryLink(self) -> None:
        """A symbolic link leads where it leads at each start."""
        link, other = os.path.abspath(self.mktemp()), os.path.realpath(self.mktemp())
        os.mkdir(other)
        os.symlink(os.getcwd(), link)
        launcher = self.launcherOf(directory=link)
        here = os.fsencode(os.getcwd()) + b"\n"
        self.assertEqual(self.run_(launcher, "/bin/pwd", "-P"), here)
        os.unlink(link)
        os.symlink(other, link)
        there = os.fsencode(other) + b"\n"
        self.assertEqual(self.run_(launcher, "/bin/pwd", "-P"), there)

    def test_search(self) -> None:
        """The first program in PATH that its user may execute is started."""
        for launcher in self.contexts():
            paths = ("/nowhere/echo", "/etc/passwd", "/bin/echo")
            output = self.run_(launcher, "/bin/false", "here", search=paths)
            self.assertEqual(output, b"here\n")

    def test_noPidfdLeft(self) -> None:
        """
        A program is started once when no descriptor is left for a pidfd.

        Its exit is noticed all the same.
        """

        def pidfd_open(pid: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        launcher = self.launcherOf()
        self.patch(os, "pidfd_open", pidfd_open)
        child = self.launch(launcher, "/bin/sh", "-c", "echo once; exit 3")
        os.waitid(os.P_PID, child.calls[0], os.WEXITED | os.WNOWAIT)
        self.assertTrue(launcher.hasCapacity)
        self.reactor.advance(10)
        self.assertEqual(len(child.calls), 2)
        self.assertEqual(child.calls[1].status, 3)
        self.assertEqual(self.output(), b"once\n")

    def test_somebodyElseWaited(self) -> None:
        """The exit status is unknown when other code has called wait(2)."""
        child = self.launch(self.launcherOf(), "/bin/true")
        os.waitpid(child.calls[0], 0)
        self.await_(child)
        self.assertEqual(child.calls[1], ExitStatus())

    def test_stop(self) -> None:
        """Programs go on after a stop, and nothing is left in the reactor."""
        launcher = self.launcherOf()
        child = self.launch(launcher, "/bin/cat")
        launcher.stop()
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.ours.sendall(b"still here")
        self.assertEqual(self.ours.recv(100), b"still here")
        self.ours.shutdown(socket.SHUT_WR)
        self.theirs.close()
        os.waitid(os.P_PID, child.calls[0], os.WEXITED | os.WNOWAIT)
        reapAllProcesses()
        self.assertRaises(ChildProcessError, os.waitpid, child.calls[0], os.WNOHANG)
        self.assertEqual(len(child.calls), 1)

    def test_stopEnded(self) -> None:
        """A program that has exited before the stop is reaped at once."""
        launcher = self.launcherOf()
        child = self.launch(launcher, "/bin/true")
        os.waitid(os.P_PID, child.calls[0], os.WEXITED | os.WNOWAIT)
        launcher.stop()
        self.assertRaises(ChildProcessError, os.waitpid, child.calls[0], os.WNOHANG)

    def test_inherited(self) -> None:
        """Programs do not inherit descriptors that this process has inherited."""
        stray = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, stray)
        os.set_inheritable(stray, True)
        launcher = self.launcherOf()
        launcher.start()
        self.assertFalse(os.get_inheritable(stray))
        for fd in range(3):
            self.assertTrue(os.get_inheritable(fd))


class SpawnProcessTests(DirectTestCase):
    """Tests for L{DirectLauncher} without pidfds."""

    pidfds = False

    def test_spawn(self) -> None:
        """The reactor gets all that the request and the context say."""
        launcher = self.launcherOf(
            directory="/srv", credentials=Credentials(os.getuid(), os.getgid(), ())
        )
        child = self.launch(launcher, "/bin/true", "one", extra={"A": "1"})
        (process,) = self.reactor.processes
        self.assertEqual(process.executable, "/bin/true")
        self.assertEqual(process.args, ["/bin/true", "one"])
        self.assertEqual(process.env, {"PATH": "/bin:/usr/bin", "A": "1"})
        self.assertEqual(process.path, "/srv")
        self.assertEqual((process.uid, process.gid), (os.getuid(), os.getgid()))
        self.assertEqual(process.pipes, {})
        for fd in range(3):
            self.assertTrue(os.path.sameopenfile(process.fds[fd], self.theirs.fileno()))
        self.assertEqual(child.calls, [process.pid])
        process.exit(3)
        self.assertEqual(child.calls, [process.pid, ExitStatus(3)])

    def test_sameUser(self) -> None:
        """A user that does not change is not passed to Twisted, which would warn."""
        self.launch(self.launcherOf(), "/bin/true")
        (process,) = self.reactor.processes
        self.assertEqual((process.uid, process.gid), (None, None))

    def test_killed(self) -> None:
        """A program that was killed ends with the signal."""
        child = self.launch(self.launcherOf(), "/bin/true")
        self.reactor.processes[0].exit(number=9)
        self.assertEqual(child.calls[1], ExitStatus(signal=9))

    def test_missing(self) -> None:
        """A missing program is not passed to Twisted, which would write a traceback."""
        child = self.launch(self.launcherOf(), "/nowhere")
        self.assertEqual(self.reactor.processes, [])
        self.assertEqual(len(child.calls), 1)
        self.assertIn("/nowhere", child.calls[0])

    def test_held(self) -> None:
        """A request is retried when resources are short, as it is with pidfds."""
        self.reactor.spawnFailure = OSError(errno.EAGAIN, "no")
        launcher = self.launcherOf()
        child = self.launch(launcher, "/bin/true")
        self.assertFalse(launcher.hasCapacity)
        self.reactor.spawnFailure = None
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(child.calls, [self.reactor.processes[0].pid])

    def test_heldAndGone(self) -> None:
        """A program that is missing at the retry fails."""
        path = os.path.abspath(self.mktemp())
        os.symlink("/bin/true", path)
        self.reactor.spawnFailure = OSError(errno.EAGAIN, "no")
        launcher = self.launcherOf()
        child = self.launch(launcher, path)
        os.unlink(path)
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(len(child.calls), 1)
        self.assertIn(path, child.calls[0])
        self.assertEqual(openedSince(self.before), {})
