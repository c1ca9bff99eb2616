# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.starter}."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from twisted.logger import LogLevel

from inetdtw.interfaces import ExitStatus
from inetdtw.log.report import Report
from inetdtw.model.process import Credentials, Login
from inetdtw.model.service import EnvironmentSpec, Program
from inetdtw.serve.child import Child
from inetdtw.serve.starter import LOOK_AGAIN, ProgramStarter
from inetdtw.serve.test.test_child import PEER
from inetdtw.test.fakes import (
    FIRST_PID,
    FakeProgram,
    ServingTestCase,
    makeService,
    openDescriptors,
)


class ProgramStarterCase(ServingTestCase):
    """A test of the starts of one program."""

    def setUp(self) -> None:
        """Make an executable in a directory."""
        super().setUp()
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "prog")
        self.done: list[Child] = []

    def install(self, mode: int = 0o755) -> None:
        """Put the program where it is to be."""
        with open(self.path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(self.path, mode)

    def starter(self, program: Program | None = None) -> ProgramStarter:
        """ProgramStarter of a service with that program."""
        program = program or Program(self.path, (), ("name", "one"))
        return ProgramStarter(makeService(program=program), self.runtime, self.launcher)


class ProgramStarterTests(ProgramStarterCase):
    """Tests for L{ProgramStarter}."""

    def test_order(self) -> None:
        """The launch request has path, arguments, environment and descriptors."""
        self.install()
        extra = {"TCPREMOTEIP": "192.0.2.1"}
        self.starter().launch(PEER, (0, 1, 2), self.done.append, extra)
        request = self.launcher.last.request
        self.assertEqual(request.executable, self.path)
        self.assertEqual(request.argv, ("name", "one"))
        self.assertEqual(request.environment, {"LANG": "C", "PATH": "/bin"})
        self.assertEqual(request.extra, extra)
        self.assertEqual(request.fds, (0, 1, 2))

    def launched(self, stderr: str) -> FakeProgram:
        """Launch a program with that standard error, for a client."""
        service = makeService(stderr=stderr, name="svc")
        with open(os.devnull) as client:
            fds = (client.fileno(),) * 3
            ProgramStarter(service, self.runtime, self.launcher).launch(
                PEER, fds, self.done.append
            )
        return self.launcher.last

    def test_toLog(self) -> None:
        """
        Lines of standard error are logged with service, pid and client.

        The client's socket is only 0 and 1.
        """
        program = self.launched("log")
        self.assertEqual(program.request.fds[0], program.request.fds[1])
        os.write(program.fds[2], b"Oh!\nAnd")
        program.start()
        self.reactor.settle()
        (first,) = self.logged("stderr")
        self.assertEqual((first["service"], first["pid"]), ("svc", FIRST_PID))
        self.assertEqual((first["peer"], first["text"]), ("192.0.2.1:40000", "Oh!"))
        self.assertEqual(first["log_level"], LogLevel.warn)
        program.end()
        self.assertEqual(
            [each["text"] for each in self.logged("stderr")], ["Oh!", "And"]
        )
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.runtime.stderrReaders, set())

    def test_tooMuch(self) -> None:
        """Lines of standard error over the rate of the log are read and left out."""
        report = Report("info", burst=2, reactor=self.reactor)
        self.runtime = replace(self.runtime, report=report)
        program = self.launched("log").start()
        os.write(program.fds[2], b"x\n" * 10)
        program.end()
        self.assertEqual(len(self.logged("stderr")), 2)
        report.flush()
        (left,) = self.logged("suppress")
        self.assertEqual((left["kind"], left["lines"]), ("stderr", 8))

    def test_endsLast(self) -> None:
        """The last lines of standard error are logged before the exit."""
        program = self.launched("log").start()
        os.write(program.fds[2], b"Oh!")
        program.end()
        words = [each["log_format"].split()[0] for each in self.events]
        self.assertEqual(words, ["start", "stderr", "exit"])

    def test_toNull(self) -> None:
        """Standard error to C{null} is discarded."""
        program = self.launched("null")
        self.assertEqual(os.readlink(f"/proc/self/fd/{program.fds[2]}"), os.devnull)
        os.write(program.start().fds[2], b"Oh!\n")
        program.end()
        self.assertEqual(self.logged("stderr"), [])

    def test_toLogFailed(self) -> None:
        """No descriptor is left of a program that could not be started."""
        self.launcher.refusal = "no"
        before = openDescriptors()
        for stderr in ("log", "null"):
            service = makeService(stderr=stderr)
            ProgramStarter(service, self.runtime, self.launcher).launch(
                PEER, (0, 0, 0), self.done.append
            )
        self.assertEqual(openDescriptors(), before)
        self.assertEqual(len(self.done), 2)

    def test_toLogWithoutDescriptors(self) -> None:
        """
        A program is not started without a descriptor for standard error.

        The log says why.
        """

        def none() -> tuple[int, int]:
            raise OSError(24, "Too many open files")

        self.patch(os, "pipe", none)
        ProgramStarter(makeService(stderr="log"), self.runtime, self.launcher).launch(
            PEER, (0, 0, 0), self.done.append
        )
        (fail,) = self.logged("start-failed")
        wanted = "no descriptor for standard error: Too many open files"
        self.assertEqual(fail["reason"], wanted)
        self.assertEqual(len(self.done), 1)

    def test_variables(self) -> None:
        """C{env} and C{passenv} hold for the programs."""
        service = makeService(variables=EnvironmentSpec((("TZ", "UTC"),), ("PATH",)))
        ProgramStarter(service, self.runtime, self.launcher).launch(
            PEER, (0, 0, 0), self.done.append
        )
        wanted = {"TZ": "UTC", "PATH": "/bin"}
        self.assertEqual(self.launcher.last.request.environment, wanted)

    def test_done(self) -> None:
        """The caller is notified of the exit, with the client's address."""
        self.install()
        child = self.starter().launch(PEER, (0, 0, 0), self.done.append)
        self.launcher.last.start().end()
        self.assertEqual(self.done, [child])
        self.assertEqual(child.peer, PEER)
        self.assertEqual(child.pid, FIRST_PID)

    def test_login(self) -> None:
        """A program that runs as another user gets that user's environment."""
        service = replace(
            makeService(), login=Login("alpine", "/home/alpine", "/bin/ash")
        )
        ProgramStarter(service, self.runtime, self.launcher).launch(
            PEER, (0, 0, 0), self.done.append
        )
        environment = self.launcher.last.request.environment
        self.assertEqual(environment["HOME"], "/home/alpine")
        self.assertNotEqual(environment["PATH"], self.runtime.environ["PATH"])

    def test_without(self) -> None:
        """Variables can be removed, also unknown ones."""
        starter = self.starter(Program("/bin/sh", (), ("sh",)))
        starter.without("LANG", "NONE")
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(self.launcher.last.request.environment, {"PATH": "/bin"})
        self.assertEqual(self.runtime.environ["LANG"], "C")

    def test_missing(self) -> None:
        """A program without an executable is not launched; the path is logged."""
        child = self.starter().launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(self.done, [child])
        (fail,) = self.logged("start-failed")
        self.assertIn(self.path, fail["reason"])

    def test_installedLater(self) -> None:
        """A program is looked for again while it is not there."""
        starter = self.starter(Program("prog", (self.directory,), ("prog",)))
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.install()
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(self.launcher.last.request.executable, self.path)

    def test_movedAway(self) -> None:
        """A program that could not be started is looked for again the next time."""
        self.install()
        other = os.path.join(self.directory, "other")
        os.mkdir(other)
        starter = self.starter(Program("prog", (self.directory, other), ("prog",)))
        starter.launch(PEER, (0, 0, 0), self.done.append)
        moved = os.path.join(other, "prog")
        os.rename(self.path, moved)
        self.launcher.last.fail("No such file or directory")
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(self.launcher.last.request.executable, moved)

    def test_foundOnce(self) -> None:
        """An executable is looked for once, as exec finds out whether it is there."""
        self.install()
        starter = self.starter()
        for _ in range(2):
            starter.launch(PEER, (0, 0, 0), self.done.append)
            if os.path.exists(self.path):
                os.unlink(self.path)
        self.assertEqual(len(self.launcher.programs), 2)
        self.launcher.last.fail("No such file or directory")
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(len(self.launcher.programs), 2)

    def test_failureNamesPath(self) -> None:
        """When the launcher cannot start a program, the log has its path."""
        self.install()
        self.starter().launch(PEER, (0, 0, 0), self.done.append)
        self.launcher.last.fail("Permission denied")
        (fail,) = self.logged("start-failed")
        self.assertEqual(fail["reason"], f"'{self.path}': Permission denied")

    def test_notExecutable(self) -> None:
        """A file that cannot be executed is refused before anything is started."""
        self.install(0o644)
        self.starter().launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(len(self.logged("start-failed")), 1)

    def test_identity(self) -> None:
        """Only the exec tells whether the user may execute a program."""
        self.install(0o700)
        service = makeService(program=Program(self.path, (), ("prog",)))
        credentials = Credentials(os.getuid() + 1, os.getgid() + 1, ())
        context = replace(service.context, credentials=credentials)
        service = replace(service, context=context)
        ProgramStarter(service, self.runtime, self.launcher).launch(
            PEER, (0, 0, 0), self.done.append
        )
        self.assertEqual(self.launcher.last.request.executable, self.path)

    def test_search(self) -> None:
        """
        PATH is searched at every start by what starts the program.

        The daemon notices another executable after a second.
        """
        first = os.path.join(self.directory, "first")
        directories = (first, ".", self.directory)
        self.install()
        starter = self.starter(Program("prog", directories, ("prog",)))
        paths = (os.path.join(first, "prog"), self.path)

        def requested() -> str:
            starter.launch(PEER, (0, 0, 0), self.done.append)
            request = self.launcher.last.request
            self.assertEqual(request.paths, paths)
            return request.executable

        self.assertEqual(requested(), self.path)
        self.assertEqual(starter.request(3).paths, paths)
        os.mkdir(first)
        os.symlink(self.path, paths[0])
        self.reactor.advance(LOOK_AGAIN * 0.9)
        self.assertEqual(requested(), self.path)
        self.reactor.advance(LOOK_AGAIN * 0.1)
        self.assertEqual(requested(), paths[0])
        os.unlink(paths[0])
        self.reactor.advance(LOOK_AGAIN)
        self.assertEqual(requested(), self.path)
        os.symlink(self.path, paths[0])
        self.reactor.advance(LOOK_AGAIN * 0.9)
        self.assertEqual(requested(), self.path)

    def test_absolute(self) -> None:
        """A program with a path is that file, and is not looked for again."""
        self.install()
        starter = self.starter()
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(self.launcher.last.request.paths, (self.path,))
        os.unlink(self.path)
        self.reactor.advance(LOOK_AGAIN)
        starter.launch(PEER, (0, 0, 0), self.done.append)
        self.assertEqual(len(self.launcher.programs), 2)


class FaultTests(ProgramStarterCase):
    """Tests for L{ProgramStarter} and internal errors."""

    def wrong(self, *given: Any) -> Any:
        """Be what raises it."""
        raise ValueError("embedded null byte")

    def assertFailed(self, starter: ProgramStarter) -> None:
        """Assert that a launch fails with a reason, and notifies its service once."""
        child = starter.launch(PEER, (0, 1, 2), self.done.append)
        self.assertEqual(self.done, [child])
        self.assertIsNone(child.how)
        (fail,) = self.logged("start-failed")
        self.assertIn("ValueError: embedded null byte", fail["reason"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_launcher(self) -> None:
        """The launcher raises something, and reports the end all the same."""
        self.install()
        starter = self.starter()
        self.patch(self.launcher, "launch", self.wrong)
        self.assertFailed(starter)
        (child,) = self.done
        child.started(FIRST_PID)
        child.ended(ExitStatus(0, None))
        self.assertEqual(len(self.done), 1)

    def test_search(self) -> None:
        """The search for the program raises something."""
        self.install()
        starter = self.starter()
        self.patch(starter, "_find", self.wrong)
        self.assertFailed(starter)

    def test_done(self) -> None:
        """The service raises something when it is notified: nothing is done twice."""
        self.install()
        self.launcher.refusal = "no room"
        calls: list[Child] = []

        def done(child: Child) -> None:
            calls.append(child)
            self.wrong()

        self.starter().launch(PEER, (0, 1, 2), done)
        self.assertEqual(len(calls), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
