# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.background}."""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import sys

from twisted.application.service import Application, MultiService
from twisted.scripts._twistd_unix import ServerOptions, UnixApplicationRunner
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli.background import Runner
from inetdtw.superserver import InetdService, NothingToServe
from inetdtw.system.pidfile import PidFile, PidFileError
from inetdtw.test.fakes import FakeReactor


class RunnerTests(SynchronousTestCase):
    """Tests for L{Runner}."""

    def setUp(self) -> None:
        """Replace standard error and the signal handlers."""
        self.output = io.StringIO()
        self.patch(sys, "__stderr__", self.output)
        self.handlers: dict[int, object] = {}
        self.patch(signal, "signal", self.handlers.__setitem__)
        self.runner = Runner(ServerOptions(), PidFile(""))

    def waited(self, reported: bytes) -> tuple[int, str]:
        """Return the exit status for a status of the daemon, and what is printed."""
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        os.write(write, reported)
        os.close(write)
        self.output.truncate(0)
        self.output.seek(0)
        return self.runner._waitForStart(read), self.output.getvalue()

    def failed(self, why: Exception) -> str:
        """Return what is printed for an exception."""
        status, text = self.waited(self.runner._formatChildException(why))
        self.assertEqual(status, 1)
        return text

    def test_pidFile(self) -> None:
        """The runner writes the pid file, and reports why it cannot."""
        path = self.mktemp()
        self.patch(UnixApplicationRunner, "setupEnvironment", lambda *given: None)
        runner = Runner(ServerOptions(), PidFile(path))
        runner.setupEnvironment(None, "/", True, None, "")
        with open(path) as file:
            self.assertEqual(file.read(), str(os.getpid()))
        other = Runner(ServerOptions(), PidFile(path))
        arguments = (None, "/", True, None, "")
        why = self.assertRaises(PidFileError, other.setupEnvironment, *arguments)
        self.assertIn("cannot be written: File exists; see", self.failed(why))
        other.removePID("")
        self.assertTrue(os.path.exists(path))
        runner.removePID("")
        self.assertFalse(os.path.exists(path))

    def test_twisted(self) -> None:
        """Twisted has the methods that the runner overrides."""
        for name in ("_formatChildException", "_waitForStart"):
            self.assertTrue(callable(getattr(UnixApplicationRunner, name)))

    def test_serves(self) -> None:
        """A daemon that is ready prints nothing."""
        self.assertEqual(self.waited(b"0"), (0, ""))

    def test_interrupted(self) -> None:
        """A signal terminates the process that waits."""
        self.waited(b"0")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            self.assertEqual(self.handlers[number], signal.SIG_DFL)

    def test_unbound(self) -> None:
        """The services that have no socket are counted, once, and the status is 0."""
        self.started("127.0.0.1:0 stream tcp nowait - internal echo")
        self.assertEqual(self.output.getvalue(), "")
        with socket.create_server(("127.0.0.1", 0)) as holder:
            taken = f"127.0.0.1:{holder.getsockname()[1]}"
            reported = self.started(f"{taken} stream tcp nowait - internal echo")
        text = "started, but 1 of 1 services is not bound yet: the daemon retries"
        self.assertEqual(reported, f"2 {text}".encode())
        where = "see the system log, or run with -f -e"
        self.assertEqual(self.waited(reported), (0, f"inetd: {text}; {where}\n"))

    def test_unboundInForeground(self) -> None:
        """In the foreground no warning is printed, as the log has it."""
        for seen in (True, False):
            self.runner.config.subOptions = {"stderr": seen}
            with socket.create_server(("127.0.0.1", 0)) as holder:
                taken = f"127.0.0.1:{holder.getsockname()[1]}"
                self.started(f"{taken} stream tcp nowait - internal echo", pipe=False)
            self.assertEqual("1 of 1" in self.output.getvalue(), not seen)

    def started(self, line: str, pipe: bool = True) -> bytes:
        """
        Start an application with one service beside the superserver.

        @return: the status that the waiting process reads.
        """
        application = Application("inetd")
        inetd = InetdService(text=line, reactor=FakeReactor())
        beside = MultiService()
        inetd.setServiceParent(beside)
        beside.setServiceParent(application)
        self.addCleanup(inetd.stopService)
        self.patch(
            UnixApplicationRunner, "startApplication", lambda *_: beside.startService()
        )
        read, write = os.pipe()
        self.addCleanup(os.close, read)
        os.set_blocking(read, False)
        self.runner.config["statusPipe"] = write if pipe else None
        self.runner.startApplication(application)
        try:
            return os.read(read, select.PIPE_BUF)
        except BlockingIOError:
            return b""
        finally:
            if self.runner.config["statusPipe"] == write or not pipe:
                os.close(write)

    def test_nothing(self) -> None:
        """The error for a configuration without services names the log."""
        self.assertEqual(
            self.failed(NothingToServe("nothing to serve in /\udcff")),
            "inetd: nothing to serve in /\\xff; see the system log, or "
            "run with -f -e\n",
        )

    def test_other(self) -> None:
        """Any other exception is printed on one line."""
        output = self.failed(OSError(28, "No space left", "/pid"))
        self.assertTrue(output.startswith("inetd: OSError: [Errno 28] No space left"))
        self.assertIn("; see the system log", output)

    def test_long(self) -> None:
        """A message that is too long to be written at once is cut."""
        output = self.failed(NothingToServe("x" * 2 * select.PIPE_BUF))
        count = select.PIPE_BUF - len("1 ")
        self.assertEqual(output.split(";")[0], f"inetd: {'x' * count}")

    def test_gone(self) -> None:
        """The error for a daemon that was killed is that it exited too early."""
        wanted = "inetd: the daemon exited before it was ready; "
        status, text = self.waited(b"")
        self.assertEqual((status, text[: len(wanted)]), (1, wanted))
