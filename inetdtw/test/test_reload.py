# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for reloads of L{inetdtw.superserver}, and for errors in it."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from typing import Any
from unittest import mock

from inetdtw import InetdService
from inetdtw.config import loader
from inetdtw.launch.pool import LauncherPool
from inetdtw.serve.internal import InternalStreamListener
from inetdtw.serve.slots import CHECK
from inetdtw.system import sockets
from inetdtw.test.fakes import listening, makeService, openDescriptors, openedSince
from inetdtw.test.superservercase import (
    BAD,
    DISCARD,
    ECHO,
    PROGRAM,
    SuperserverTestCase,
)


class FaultTests(SuperserverTestCase):
    """Tests for L{InetdService} and internal errors."""

    def wrong(self, *_: object, **__: object) -> Any:
        """Raise the exception."""
        raise ValueError("embedded null byte")

    def assertUndone(self, inetd: InetdService) -> None:
        """Assert that a reload changes nothing, and has a reason."""
        before = inetd.configuration, inetd.getHosts()
        done = inetd.reload()
        self.assertFalse(done)
        self.assertIn("ValueError: embedded null byte", str(done.problems[0]))
        self.assertEqual((inetd.configuration, inetd.getHosts()), before)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_read(self) -> None:
        """An exception while a configuration is read is a problem of it."""
        inetd = self.running(ECHO)
        with mock.patch.object(loader, "load", self.wrong):
            self.assertUndone(inetd)
            other = self.inetd(ECHO)
            self.assertEqual(other.configuration.services, ())
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_launchers(self) -> None:
        """A reload whose launchers raise an exception changes nothing."""
        inetd = self.running(ECHO)
        self.write(ECHO, PROGRAM.format("-c true"))
        with mock.patch.object(LauncherPool, "make", self.wrong):
            self.assertUndone(inetd)

    def test_state(self) -> None:
        """An exception of a service's state is the trouble of that service only."""
        inetd = self.running(ECHO, DISCARD)
        with mock.patch.object(InternalStreamListener, "pauses", self.wrong):
            echo, discard = inetd.state().services
        self.assertEqual((echo.name, echo.condition), ("0/tcp", "paused"))
        self.assertEqual(echo.reason, "ValueError: embedded null byte")
        self.assertEqual(discard.condition, "listening")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_startLaunchers(self) -> None:
        """
        An exception of a service's launcher fails that service only.

        It is tried again.
        """
        with mock.patch.object(LauncherPool, "make", self.wrong):
            inetd = self.running(PROGRAM.format("-c true"), ECHO)
            program, echo = inetd.state().services
        self.assertEqual(program.condition, "bind failed")
        self.assertEqual(program.reason, "ValueError: embedded null byte")
        self.assertEqual(echo.condition, "listening")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.reactor.advance(1.0)
        self.assertTrue(inetd.state().healthy)

    def test_apply(self) -> None:
        """
        A reload is completed for all services except those that raise.

        A stop, a change or a start of these does.
        """
        keep = "127.0.0.1:0 stream tcp nowait - internal discard\n"
        changed = ECHO.replace("nowait", "nowait/7")
        for owner, name in (
            (InternalStreamListener, "__init__"),
            (InternalStreamListener, "start"),
            (InternalStreamListener, "stop"),
            (InternalStreamListener, "retire"),
            (sockets, "createListener"),
            (sockets, "reconfigure"),
        ):
            inetd = self.running(ECHO, DISCARD)
            self.write(changed, DISCARD, keep)
            with mock.patch.object(owner, name, self.wrong):
                done = inetd.reload()
            self.assertTrue(done)
            assert done.changes is not None
            self.assertEqual(len(done.changes.change), 1)
            self.assertEqual(len(done.changes.start), 1)
            self.assertEqual(inetd.state().services[1].condition, "listening")
            self.reactor.advance(1.0)
            conditions = [each.condition for each in inetd.state().services]
            self.assertEqual(conditions, ["listening"] * 3, name)
            self.flushLoggedErrors(ValueError)
            self.write(DISCARD)
            with mock.patch.object(owner, name, self.wrong):
                self.assertTrue(inetd.reload())
            self.assertEqual(len(inetd.getHosts()), 1)
            self.flushLoggedErrors(ValueError)
            inetd.stopService()


class ReloadTests(SuperserverTestCase):
    """Tests for L{InetdService.reload}."""

    def sockets(self) -> set[int]:
        """Return the sockets that are read."""
        return {os.fstat(each.fileno()).st_ino for each in self.reactor.getReaders()}

    def reloaded(self) -> dict[str, int]:
        """Return the counts in the last line about a reload."""
        event = self.logged("reload")[-1]
        return {name: event[name] for name in ("kept", "changed", "started", "stopped")}

    def test_paths(self) -> None:
        """
        A path that was removed is bound again after some seconds, and at a reload.

        The reload may change nothing.
        """
        directory = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, directory)
        path = os.path.join(directory, "s")
        line = f"{path} stream unix nowait - internal echo\n"
        inetd = self.running(line)
        asked: list[int] = []
        inetd.alsoCheck(lambda: asked.append(1))
        for number in range(3):
            os.unlink(path)
            if number == 1:
                self.reactor.advance(CHECK)
                self.write(line, "1 no such line\n")
            else:
                inetd.reload()
            self.assertTrue(os.path.exists(path))
            self.assertEqual(len(asked), number + 1)
        inetd.stopService()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_freed(self) -> None:
        """A new service is retried soon if a reload has closed a socket."""
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        taken = f"127.0.0.1:{port} stream tcp nowait - internal echo\n"
        for lines, wanted in ((ECHO, DISCARD, taken), 1.0), ((ECHO, taken), 1 / 64):
            inetd = self.running(ECHO, DISCARD)
            self.write(*lines)
            self.assertTrue(inetd.reload())
            (later,) = self.reactor.getDelayedCalls()
            self.assertEqual(later.getTime() - self.reactor.seconds(), wanted)
            inetd.stopService()

    def test_nothing(self) -> None:
        """A reload without a change touches no socket."""
        inetd = self.running(ECHO, DISCARD)
        before = inetd.getHosts(), self.sockets(), set(self.reactor.getReaders())
        self.assertTrue(inetd.reload())
        after = inetd.getHosts(), self.sockets(), set(self.reactor.getReaders())
        self.assertEqual(after, before)
        self.assertEqual(
            self.reloaded(), {"kept": 2, "changed": 0, "started": 0, "stopped": 0}
        )

    def test_added(self) -> None:
        """A line that was added is served, and the others keep their sockets."""
        inetd = self.running(ECHO)
        where, before = inetd.getHosts()["0/tcp"], self.sockets()
        self.write(DISCARD, ECHO)
        self.assertTrue(inetd.reload())
        hosts = inetd.getHosts()
        self.assertEqual((set(hosts), hosts["0/tcp"]), ({"0/tcp", "0/udp"}, where))
        self.assertLess(before, self.sockets())
        self.assertEqual(
            self.reloaded(), {"kept": 1, "changed": 0, "started": 1, "stopped": 0}
        )

    def test_removed(self) -> None:
        """A removed line is no longer served."""
        inetd = self.running(ECHO, DISCARD)
        where = inetd.getHosts()["0/tcp"]
        self.write(DISCARD)
        self.assertTrue(inetd.reload())
        self.assertEqual(set(inetd.getHosts()), {"0/udp"})
        self.assertEqual(self.connects(where), errno.ECONNREFUSED)
        self.assertEqual(
            self.reloaded(), {"kept": 1, "changed": 0, "started": 0, "stopped": 1}
        )

    def test_changed(self) -> None:
        """A change of a line applies to the next client, on the same socket."""
        inetd = self.running(PROGRAM.format("one"))
        played = self.ready()
        where, before = inetd.getHosts()["0/tcp"], self.sockets()
        self.assertEqual(self.argument(inetd, "0/tcp", played), b"one")
        self.write(PROGRAM.format("two"))
        self.assertTrue(inetd.reload())
        self.assertEqual(self.argument(inetd, "0/tcp", played), b"two")
        self.assertEqual(inetd.getHosts()["0/tcp"], where)
        self.assertLessEqual(before, self.sockets())
        self.assertEqual(
            self.reloaded(), {"kept": 0, "changed": 1, "started": 0, "stopped": 0}
        )

    def test_moved(self) -> None:
        """A line that has only moved is not changed."""
        inetd = self.running(ECHO)
        self.write("# a comment\n", ECHO)
        self.assertTrue(inetd.reload())
        self.assertEqual(self.reloaded()["kept"], 1)

    def test_bad(self) -> None:
        """One bad line keeps the whole old configuration, and is logged."""
        inetd = self.running(ECHO, PROGRAM.format("one"))
        before = inetd.configuration, inetd.getHosts(), self.sockets()
        self.write(DISCARD, BAD, PROGRAM.format("two"))
        self.assertFalse(inetd.reload())
        after = inetd.configuration, inetd.getHosts(), self.sockets()
        self.assertEqual(after, before)
        (problem,) = self.logged("config-error")
        self.assertTrue(problem["location"].startswith(f"{self.path}:2:"))
        self.assertEqual(self.logged("reload-rejected")[-1]["problems"], 1)
        self.write(DISCARD)
        self.assertTrue(inetd.reload())
        self.assertEqual(set(inetd.getHosts()), {"0/udp"})

    def test_unreadable(self) -> None:
        """The old configuration stays when the file is missing, or is not text."""
        inetd = self.running(ECHO)
        before = inetd.getHosts()
        os.unlink(self.path)
        self.assertFalse(inetd.reload())
        with open(self.path, "wb") as file:
            file.write(b"\xff\xfe\n")
        self.assertFalse(inetd.reload())
        self.assertEqual(inetd.getHosts(), before)
        self.assertEqual(len(self.logged("config-error")), 2)

    def test_badBefore(self) -> None:
        """Lines with errors at the start are served when they are corrected."""
        inetd = self.running(ECHO, BAD)
        self.write(ECHO, DISCARD)
        self.assertTrue(inetd.reload())
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})

    def test_warning(self) -> None:
        """A warning does not keep the old configuration."""
        inetd = self.running(ECHO)
        self.write("127.0.0.1:0 stream tcp nowait - /nowhere/prog prog\n")
        self.assertTrue(inetd.reload())
        self.assertEqual(len(self.logged("config-warning")), 1)

    def test_inUse(self) -> None:
        """A port that is in use does not keep the old configuration."""
        inetd = self.running(ECHO)
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        self.write(ECHO, f"127.0.0.1:{port} stream tcp nowait - internal echo\n")
        self.assertTrue(inetd.reload())
        self.assertEqual(set(inetd.getHosts()), {"0/tcp"})
        other.close()
        self.reactor.advance(1)
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", f"{port}/tcp"})

    def test_stopsTrying(self) -> None:
        """The port of a removed line is not retried."""
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        line = f"127.0.0.1:{port} stream tcp nowait - internal echo\n"
        inetd = self.running(ECHO, line)
        self.write(ECHO)
        self.assertTrue(inetd.reload())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_launchers(self) -> None:
        """A reload stops fork servers that are not needed, and starts new ones."""
        inetd = self.running(PROGRAM.format("one"))
        old = self.ready()
        line = "127.0.0.1:0 on protocol = tcp, wait = no, user = -, exec = /bin/sh"
        self.write(f"{line}, umask = 077, accept_max = 100;\n")
        self.assertTrue(inetd.reload())
        self.assertEqual(old.channel.recv(100), b"")
        self.assertEqual(len(self.reactor.processes), 2)
        self.assertIn("umask=077", self.reactor.processes[1].args)
        self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"sh")

    def test_noDescriptors(self) -> None:
        """
        A reload fails when no descriptor is left for a fork server.

        The old configuration is served on, and the next reload may succeed.
        """

        def none(*args: Any) -> Any:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        inetd = self.running(PROGRAM.format("one"))
        old = self.ready()
        before = inetd.configuration, inetd.getHosts(), self.sockets()
        line = "127.0.0.1:0 on protocol = tcp, wait = no, user = -, exec = /bin/sh"
        self.write(f"{line}, umask = 077, accept_max = 100;\n")
        patched = self.patch(socket, "socketpair", none)
        self.assertIn(os.strerror(errno.EMFILE), str(inetd.reload().problems[0]))
        patched.restore()
        after = inetd.configuration, inetd.getHosts(), self.sockets()
        self.assertEqual(after, before)
        self.assertEqual(self.logged("reload-rejected")[-1]["problems"], 1)
        self.assertEqual(self.argument(inetd, "0/tcp", old), b"one")
        self.assertTrue(inetd.reload())
        self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"sh")

    def test_internalToProgram(self) -> None:
        """A service may become a program, and internal again."""
        inetd = self.running(ECHO)
        where = inetd.getHosts()["0/tcp"]
        self.write(PROGRAM.format("one"))
        self.assertTrue(inetd.reload())
        self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"one")
        self.write(ECHO)
        self.assertTrue(inetd.reload())
        self.assertEqual(inetd.getHosts()["0/tcp"], where)
        self.assertEqual(self.connects(where), 0)
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))

    def test_notRunning(self) -> None:
        """A reload without a start applies to the next start."""
        inetd = self.inetd(ECHO)
        self.write(DISCARD)
        self.assertTrue(inetd.reload())
        self.assertEqual(inetd.getHosts(), {})
        inetd.startService()
        self.assertEqual(set(inetd.getHosts()), {"0/udp"})

    def test_burst(self) -> None:
        """After many reloads, the last configuration is served."""
        inetd = self.running(ECHO)
        before = openDescriptors()
        for _ in range(10):
            self.write(ECHO, DISCARD)
            inetd.reload()
            self.write(ECHO)
            inetd.reload()
        self.assertEqual(set(inetd.getHosts()), {"0/tcp"})
        self.assertEqual(openedSince(before), {})
        self.assertEqual(len(self.reactor.getReaders()), 1)
