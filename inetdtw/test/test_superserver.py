# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.superserver}."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from typing import Any
from unittest import mock

from zope.interface.verify import verifyObject

from twisted.application.service import IService, MultiService
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure

from inetdtw import InetdService, NothingToServe, superserver
from inetdtw.config import loader
from inetdtw.helpers.protocol import decode
from inetdtw.launch.forkserver.test.test_process import PlayedHelper
from inetdtw.launch.pool import LauncherPool
from inetdtw.model.selection import AmbiguousService
from inetdtw.model.service import Settings
from inetdtw.model.state import Draining
from inetdtw.serve.internal import InternalStreamListener
from inetdtw.serve.slots import CHECK
from inetdtw.system import sockets
from inetdtw.system.descriptors import Purpose
from inetdtw.system.hostnames import HostNames
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeService,
    openDescriptors,
    openedSince,
)

ECHO = "127.0.0.1:0 stream tcp nowait - internal echo\n"
DISCARD = "127.0.0.1:0 dgram udp wait - internal discard\n"
PROGRAM = "127.0.0.1:0 stream tcp nowait/100 - /bin/sh {}\n"
BAD = "127.0.0.1:0 stream udp nowait - internal echo\n"


class SuperserverTestCase(ServingTestCase):
    """A test of a superserver."""

    def setUp(self) -> None:
        """Make a file."""
        super().setUp()
        self.path = os.path.abspath(self.mktemp())
        self.patch(os, "cpu_count", lambda: 1)

    def write(self, *lines: str) -> None:
        """Write the file."""
        with open(self.path, "w") as file:
            file.write("".join(lines))

    def inetd(self, *lines: str, **given: Any) -> InetdService:
        """Return a superserver of these lines, with names C{one}, C{two} and so on."""
        self.write(*lines)
        usual: dict[str, Any] = {
            "reactor": self.reactor,
            "environ": {"PATH": "/bin"},
            "report": self.runtime.report,
        }
        inetd = InetdService(self.path, **{**usual, **given})
        self.addCleanup(self.end, inetd)
        return inetd

    def running(self, *lines: str, **given: Any) -> InetdService:
        """Return a superserver that serves these lines."""
        inetd = self.inetd(*lines, **given)
        inetd.startService()
        return inetd

    def end(self, inetd: InetdService) -> None:
        """Stop a superserver for good."""
        inetd.stopService()
        for process in self.reactor.processes:
            if not process.exited:
                process.exit()

    def ready(self) -> PlayedHelper:
        """Be the fork server that was started last, and be ready."""
        played = PlayedHelper(self.reactor.processes[-1])
        self.addCleanup(played.channel.close)
        played.hello()
        self.reactor.settle()
        return played

    def connects(self, where: Any, kind: int = socket.SOCK_STREAM) -> int:
        """Return the error number that a client gets, or 0."""
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(PATIENCE)
            return client.connect_ex((where.host, where.port))

    def argument(self, inetd: InetdService, name: str, played: PlayedHelper) -> bytes:
        """Return the last argument of the program of a service's next client."""
        where = inetd.getHosts()[name]
        client = self.closing(socket.socket())
        client.connect((where.host, where.port))
        self.reactor.turn(PATIENCE)
        _, shared, _, fds = played.take()
        for fd in fds:
            os.close(fd)
        return decode(shared)[1][-1]


class StartTests(SuperserverTestCase):
    """Tests for L{InetdService} that starts and stops."""

    def test_interface(self) -> None:
        """It is a service of an application, with a name."""
        inetd = self.inetd(ECHO)
        verifyObject(IService, inetd)
        self.assertEqual(inetd.name, "inetd")

    def test_serves(self) -> None:
        """The services of the file are served from the start on."""
        inetd = self.inetd(ECHO)
        self.assertEqual(inetd.getHosts(), {})
        inetd.startService()
        ((name, where),) = inetd.getHosts().items()
        self.assertEqual((name, where.type, where.host), ("0/tcp", "TCP", "127.0.0.1"))
        self.assertEqual(self.connects(where), 0)
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))

    def test_text(self) -> None:
        """A text will do in place of a file."""
        inetd = InetdService(text=ECHO + DISCARD, reactor=self.reactor)
        inetd.startService()
        self.addCleanup(inetd.stopService)
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})

    def test_several(self) -> None:
        """There may be several files, and directories of files."""
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        with open(os.path.join(folder, "more.conf"), "w") as file:
            file.write(DISCARD)
        self.write(ECHO)
        inetd = InetdService([self.path, folder], reactor=self.reactor)
        inetd.startService()
        self.addCleanup(inetd.stopService)
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})

    def test_id(self) -> None:
        """A service that says what it is called is found by that."""
        line = "127.0.0.1:0 on protocol = tcp, args = echo, id = talk;\n"
        inetd = self.running(line)
        self.assertEqual(set(inetd.getHosts()), {"talk"})

    def test_privileged(self) -> None:
        """
        All sockets are bound before privileges are dropped, and nothing else is done.

        No client is served, and no process started.
        """
        inetd = self.inetd(PROGRAM.format("one"))
        inetd.privilegedStartService()
        where = inetd.getHosts()["0/tcp"]
        self.assertEqual(self.connects(where), 0)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.processes, [])
        inetd.startService()
        self.assertEqual(inetd.getHosts()["0/tcp"], where)
        self.assertEqual(len(self.reactor.processes), 1)

    def test_reloadWhilePrivileged(self) -> None:
        """
        A reload between the two steps of the start holds from the start on.

        Until then no client is served and no process started.
        """
        muxed = "tcpmux/x stream tcp nowait - /bin/sh {}\n"
        inetd = self.inetd(PROGRAM.format("one"), muxed.format("one"))
        inetd.privilegedStartService()
        where = inetd.getHosts()["0/tcp"]
        self.write(PROGRAM.format("two"), DISCARD, muxed.format("two"))
        self.assertTrue(inetd.reload())
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.processes, [])
        inetd.startService()
        hosts = inetd.getHosts()
        self.assertEqual((set(hosts), hosts["0/tcp"]), ({"0/tcp", "0/udp"}, where))
        self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"two")

    def test_program(self) -> None:
        """A fork server starts a program, with the environment of the superserver."""
        inetd = self.running(PROGRAM.format("one two"), environ={"A": "1"})
        played = self.ready()
        where = inetd.getHosts()["0/tcp"]
        client = self.closing(socket.socket())
        client.connect((where.host, where.port))
        self.reactor.turn(PATIENCE)
        _, shared, _, fds = played.take()
        os.close(fds[0])
        self.assertEqual(decode(shared), ([b"/bin/sh"], [b"one", b"two"], {b"A": b"1"}))

    def test_settings(self) -> None:
        """The settings hold for what a line does not say."""
        self.running(PROGRAM.format("one"), settings=Settings(launch="direct"))
        self.assertEqual(self.reactor.processes, [])

    def test_badLines(self) -> None:
        """
        A line that cannot be served is logged once, with its location.

        The others are served.
        """
        inetd = self.inetd(ECHO, BAD, "nonsense\n", DISCARD)
        inetd.privilegedStartService()
        inetd.startService()
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})
        locations = [event["location"] for event in self.said("config-error")]
        self.assertEqual(
            [each.split(":")[:2] for each in locations],
            [[self.path, "2"], [self.path, "3"]],
        )

    def test_badLinesOnly(self) -> None:
        """A line is in the log once, though nothing is left to serve."""
        inetd = self.inetd(BAD)
        inetd.privilegedStartService()
        inetd.startService()
        self.assertEqual(len(self.said("config-error")), 1)

    def test_noFile(self) -> None:
        """A file that is not there is in the log, and no error of the program."""
        inetd = InetdService("/nowhere/inetd.conf", reactor=self.reactor)
        inetd.startService()
        self.addCleanup(inetd.stopService)
        (problem,) = self.said("config-error")
        self.assertIn("/nowhere/inetd.conf", problem["reason"])

    def test_warnings(self) -> None:
        """A warning about the file is logged, and its line is served."""
        line = "127.0.0.1:0 stream tcp nowait - /nowhere/prog prog\n"
        inetd = self.running(line)
        (warning,) = self.said("config-warning")
        self.assertIn("/nowhere/prog", warning["reason"])
        self.assertEqual(set(inetd.getHosts()), {"0/tcp"})

    def test_inUse(self) -> None:
        """A port that is in use is tried again, and the others are served."""
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        line = f"127.0.0.1:{port} stream tcp nowait - internal echo\n"
        inetd = self.running(line, DISCARD)
        self.assertEqual(set(inetd.getHosts()), {"0/udp"})
        other.close()
        self.reactor.advance(1)
        self.assertEqual(set(inetd.getHosts()), {"0/udp", f"{port}/tcp"})

    def test_stop(self) -> None:
        """Nothing is left after a stop: no socket, no process, no reader."""
        before = openDescriptors()
        inetd = self.running(ECHO, DISCARD, PROGRAM.format("one"))
        where = inetd.getHosts()["0/udp"]
        self.ready().channel.close()
        stopped = inetd.stopService()
        self.assertNoResult(stopped)
        self.reactor.processes[0].exit()
        self.successResultOf(stopped)
        self.assertEqual(inetd.getHosts(), {})
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        again = self.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        again.bind((where.host, where.port))

    def test_startAgain(self) -> None:
        """It can be started again."""
        inetd = self.running(DISCARD, PROGRAM.format("one"))
        for _ in range(2):
            stopped = inetd.stopService()
            self.reactor.processes[-1].exit()
            self.successResultOf(stopped)
            inetd.startService()
            self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"one")

    def test_inApplication(self) -> None:
        """It starts and stops with the application that it is a part of."""
        whole = MultiService()
        inetd = self.inetd(ECHO)
        inetd.setServiceParent(whole)
        whole.privilegedStartService()
        whole.startService()
        self.assertEqual(len(inetd.getHosts()), 1)
        self.successResultOf(whole.stopService())
        self.assertEqual(inetd.getHosts(), {})

    def test_standardDescriptors(self) -> None:
        """
        No socket gets a number that is a program's 0, 1 or 2.

        These are closed in the daemon.
        """
        inetd = self.inetd(ECHO)
        kept = os.dup(0)
        self.addCleanup(os.close, kept)
        os.close(0)
        try:
            inetd.startService()
            self.assertEqual(os.readlink("/proc/self/fd/0"), os.devnull)
        finally:
            os.dup2(kept, 0)


class RequiredTests(SuperserverTestCase):
    """Tests for L{InetdService} that must have something to serve."""

    def test_noHelpers(self) -> None:
        """
        Descriptors of helper processes are free once all are started.

        Services that have no socket have no helper process.
        """
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        line = f"127.0.0.1:{port} stream tcp nowait - /bin/sh {{}}\n"
        inetd = self.running(line, ECHO)
        self.assertEqual(inetd._runtime.descriptors.taken(Purpose.HELPER), 0)

    def test_unbound(self) -> None:
        """
        A service that is not bound yet counts as a service.

        It is tried again, and served once its address is free.
        """
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        line = f"127.0.0.1:{port} stream tcp nowait - internal echo\n"
        inetd = self.running(line, required=True)
        self.assertEqual(len(self.said("bind-failed")), 1)
        self.assertFalse(inetd.state().healthy)
        other.close()
        self.reactor.advance(1.0)
        self.assertTrue(inetd.state().healthy)

    def test_nothing(self) -> None:
        """An error and the log name the file when there is no service."""
        line = "127.0.0.1:0 off protocol = tcp, args = echo;\n"
        inetd = self.inetd(line, required=True)
        why = self.assertRaises(NothingToServe, inetd.startService)
        self.assertIn(self.path, str(why))
        self.assertEqual(len(self.said("no-services")), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one(self) -> None:
        """One is enough."""
        inetd = self.inetd(BAD, ECHO, required=True)
        inetd.privilegedStartService()
        inetd.startService()
        self.assertEqual(len(inetd.getHosts()), 1)


class HostNamesTests(SuperserverTestCase):
    """Tests for L{InetdService} with host names in lines."""

    LINE = "many:0 stream tcp nowait - internal echo\n"

    def setUp(self) -> None:
        """Make a name service that answers when a test says so."""
        super().setUp()
        self.threads: list[Any] = []
        self.found = ["127.0.0.1"]
        self.patch(superserver, "START_WAIT", 0.0)
        make = HostNames

        def fake(answered: Any) -> HostNames:
            return make(
                answered, getaddrinfo=self.getaddrinfo, start=self.threads.append
            )

        self.patch(superserver, "HostNames", fake)

    def getaddrinfo(self, *arguments: Any, **keywords: Any) -> list[Any]:
        """Return the addresses of every host."""
        if not self.found:
            raise OSError(11, "no DNS")
        return [(socket.AF_INET, 1, 6, "", (host, 0)) for host in self.found]

    def answer(self, *hosts: str) -> None:
        """
        Answer all look-ups.

        @param hosts: the addresses.
        """
        self.found = list(hosts)
        while self.threads:
            self.threads.pop(0)()
        self.reactor.turn()

    def hosts(self, inetd: InetdService) -> dict[str, str]:
        """Return the addresses of all services that have a socket, by their names."""
        return {name: where.host for name, where in inetd.getHosts().items()}

    def test_late(self) -> None:
        """
        A service is bound when its name has an address; other services do not wait.

        Until then the state says why it is not.
        """
        inetd = self.running(self.LINE, DISCARD)
        self.assertEqual(list(inetd.getHosts()), ["0/udp"])
        state = inetd.state().services[0]
        self.assertEqual((state.name, state.condition), ("0/tcp", "bind failed"))
        self.assertEqual(state.reason, "host name look-up: no answer yet")
        self.assertEqual(state.address, "many:0")
        self.assertEqual(self.said("bind-failed"), [])
        self.answer("127.0.0.1")
        self.assertEqual(self.hosts(inetd)["0/tcp"], "127.0.0.1")
        self.assertTrue(inetd.state().healthy)

    def test_retried(self) -> None:
        """A look-up that failed is repeated with the backoff of a port in use."""
        inetd = self.running(self.LINE)
        self.answer()
        for _ in range(12):
            (later,) = self.reactor.getDelayedCalls()
            self.reactor.advance(later.getTime() - self.reactor.seconds())
            self.answer()
        reason = "host name look-up: no DNS"
        self.assertEqual(self.said("bind-failed")[-1]["reason"], reason)
        (later,) = self.reactor.getDelayedCalls()
        self.reactor.advance(later.getTime() - self.reactor.seconds())
        self.answer("127.0.0.1")
        self.assertEqual(self.hosts(inetd), {"0/tcp": "127.0.0.1"})
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_several(self) -> None:
        """
        A name with several addresses has a service at each.

        A service that was paused before it had any stays paused.
        """
        inetd = self.running(self.LINE)
        inetd.pause("0/tcp")
        self.answer("127.0.0.1", "127.0.0.2")
        self.assertEqual(
            self.hosts(inetd),
            {"127.0.0.1:0/tcp": "127.0.0.1", "127.0.0.2:0/tcp": "127.0.0.2"},
        )
        states = inetd.state().services
        self.assertEqual([each.condition for each in states], ["paused"] * 2)

    def test_reload(self) -> None:
        """A reload keeps what is bound, looks names up again, and follows them."""
        inetd = self.running(self.LINE)
        self.answer("127.0.0.1")
        before = inetd.getHosts()
        self.assertTrue(inetd.reload())
        self.answer()
        self.assertEqual(inetd.getHosts(), before)
        (warning,) = self.said("config-warning")
        reason = "'many': no DNS: its addresses from before stay"
        self.assertEqual(warning["reason"], reason)
        self.assertTrue(inetd.reload())
        self.answer("127.0.0.2")
        self.assertEqual(self.hosts(inetd), {"0/tcp": "127.0.0.2"})

    def test_served(self) -> None:
        """A name with the address of another line is not served twice."""
        with listening(makeService()) as free:
            port = free.getsockname()[1]
        inetd = self.running(
            f"127.0.0.1:{port} stream tcp nowait - internal echo\n",
            f"many:{port} stream tcp nowait - internal echo\n",
        )
        self.answer("127.0.0.1")
        self.assertEqual(len(inetd.state().services), 1)
        (warning,) = self.said("config-warning")
        self.assertIn("is already served by", warning["reason"])

    def test_stopped(self) -> None:
        """An answer changes nothing after a stop, or while the daemon drains."""
        inetd = self.running(self.LINE)
        inetd.drain()
        self.answer("127.0.0.1")
        self.assertEqual(inetd.getHosts(), {})
        inetd = self.running(self.LINE)
        inetd.stopService()
        self.answer("127.0.0.1")
        self.assertEqual(inetd.getHosts(), {})


class FaultTests(SuperserverTestCase):
    """Tests for L{InetdService} and internal errors."""

    def wrong(self, *_: object, **__: object) -> Any:
        """Be what raises it."""
        raise ValueError("embedded null byte")

    def assertUndone(self, inetd: InetdService) -> None:
        """Assert that a reload changes nothing, and says why."""
        before = inetd.configuration, inetd.getHosts()
        done = inetd.reload()
        self.assertFalse(done)
        self.assertIn("ValueError: embedded null byte", done.problems[0])
        self.assertEqual((inetd.configuration, inetd.getHosts()), before)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_read(self) -> None:
        """A configuration whose reading raises an exception is one with a problem."""
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
        """A service whose state raises an exception is in trouble, and no other."""
        inetd = self.running(ECHO, DISCARD)
        with mock.patch.object(InternalStreamListener, "held", self.wrong):
            echo, discard = inetd.state().services
        self.assertEqual((echo.name, echo.condition), ("0/tcp", "paused"))
        self.assertEqual(echo.reason, "ValueError: embedded null byte")
        self.assertEqual(discard.condition, "listening")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_startLaunchers(self) -> None:
        """
        A service whose launcher raises an exception fails alone at the start.

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
        A reload is finished for all services but those that raise exceptions.

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
        event = self.said("reload")[-1]
        return {name: event[name] for name in ("kept", "changed", "started", "stopped")}

    def test_paths(self) -> None:
        """
        A path that was removed is bound again after some seconds, and at a reload.

        The reload may change nothing.
        """
        folder = tempfile.mkdtemp()
        self.addCleanup(os.rmdir, folder)
        path = os.path.join(folder, "s")
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
        """A new service is tried again soon if a reload has closed a socket."""
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
        """When nothing has changed, nothing is touched."""
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
        """A line that was removed is served no more."""
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
        """A change of a line holds for the next client, on the same socket."""
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
        (problem,) = self.said("config-error")
        self.assertTrue(problem["location"].startswith(f"{self.path}:2:"))
        self.assertEqual(self.said("reload-rejected")[-1]["problems"], 1)
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
        self.assertEqual(len(self.said("config-error")), 2)

    def test_badBefore(self) -> None:
        """Lines that were bad at the start are served when they are right."""
        inetd = self.running(ECHO, BAD)
        self.write(ECHO, DISCARD)
        self.assertTrue(inetd.reload())
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})

    def test_warning(self) -> None:
        """A warning does not keep the old configuration."""
        inetd = self.running(ECHO)
        self.write("127.0.0.1:0 stream tcp nowait - /nowhere/prog prog\n")
        self.assertTrue(inetd.reload())
        self.assertEqual(len(self.said("config-warning")), 1)

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
        """A port that is not wanted any more is not tried any more."""
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
        self.assertIn(os.strerror(errno.EMFILE), inetd.reload().problems[0])
        patched.restore()
        after = inetd.configuration, inetd.getHosts(), self.sockets()
        self.assertEqual(after, before)
        self.assertEqual(self.said("reload-rejected")[-1]["problems"], 1)
        self.assertEqual(self.argument(inetd, "0/tcp", old), b"one")
        self.assertTrue(inetd.reload())
        self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"sh")

    def test_internalToProgram(self) -> None:
        """A socket may come to be served by a program, and by the daemon again."""
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
        """When it does not run, what is read holds for the next start."""
        inetd = self.inetd(ECHO)
        self.write(DISCARD)
        self.assertTrue(inetd.reload())
        self.assertEqual(inetd.getHosts(), {})
        inetd.startService()
        self.assertEqual(set(inetd.getHosts()), {"0/udp"})

    def test_burst(self) -> None:
        """Many reloads in a row leave what the last one said."""
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


class OperatorTests(SuperserverTestCase):
    """Tests for what an operator wants of an L{InetdService}."""

    def test_state(self) -> None:
        """It says how it is and how each service is, in the order of the file."""
        inetd = self.running(ECHO, DISCARD)
        state = inetd.state()
        names = [(each.name, each.condition) for each in state.services]
        self.assertEqual(names, [("0/tcp", "listening"), ("0/udp", "listening")])
        self.assertEqual((state.pid, state.files), (os.getpid(), (self.path,)))
        self.assertTrue(state.healthy)
        self.write(DISCARD, ECHO)
        inetd.reload()
        names = [(each.name, each.condition) for each in inetd.state().services]
        self.assertEqual(names, [("0/udp", "listening"), ("0/tcp", "listening")])

    def test_reloadTells(self) -> None:
        """
        A reload returns what it has changed, and what is wrong with the file.

        The state has that too, until the file is right.
        """
        inetd = self.running(ECHO)
        self.write(ECHO, DISCARD)
        changes = inetd.reload().changes
        assert changes is not None
        self.assertEqual([each.name for each in changes.start], ["0/udp"])
        self.assertEqual([each.name for each in changes.keep], ["0/tcp"])
        self.write(BAD)
        broken = inetd.reload()
        self.assertIsNone(broken.changes)
        (problem,) = broken.problems
        self.assertIn(f"{self.path}:1:", problem)
        self.assertEqual(inetd.state().problems, broken.problems)
        self.write(ECHO)
        inetd.reload()
        self.assertEqual(inetd.state().problems, ())

    def test_pause(self) -> None:
        """
        A paused service stays paused over a reload until the operator resumes it.

        It is kept, changed, or gets another socket.
        """
        inetd = self.running(ECHO)
        self.assertEqual(inetd.pause("0").condition, "paused")
        self.assertEqual(inetd.pause("0").condition, "paused")
        self.assertEqual(len(self.said("pause")), 1)
        self.assertFalse(inetd.state().healthy)
        other = "127.0.0.2:0 on protocol = tcp, args = echo, id = 0/tcp;\n"
        for line in (ECHO, ECHO.replace("nowait", "nowait/5"), other):
            self.write(line)
            self.assertTrue(inetd.reload())
            (state,) = inetd.state().services
            self.assertEqual(state.condition, "paused", line)
        self.assertEqual(inetd.resume("0/tcp").condition, "listening")
        self.assertEqual(len(self.said("resume")), 1)
        inetd.resume("0/tcp")
        self.assertEqual(len(self.said("resume")), 1)

    def test_unknown(self) -> None:
        """A pause of an unknown service is an error."""
        inetd = self.running(ECHO)
        for operation in (inetd.pause, inetd.resume):
            self.assertRaises(AmbiguousService, operation, "x")

    def test_drain(self) -> None:
        """
        A drain refuses clients at once, and is over when no program runs.

        Meanwhile nothing else is done.
        """
        inetd = self.running(ECHO)
        where = inetd.getHosts()["0/tcp"]
        client = self.closing(socket.create_connection((where.host, where.port)))
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))
        over: list[Any] = []
        inetd.drain().addCallback(over.append)
        self.assertNotEqual(self.connects(where), 0)
        self.reactor.advance(1)
        self.assertEqual((over, inetd.state().running), ([], 1))
        self.assertTrue(inetd.state().draining)
        self.assertFalse(inetd.reload())
        self.assertRaises(Draining, inetd.pause, "0")
        self.assertRaises(Draining, inetd.resume, "0")
        self.assertIs(inetd.drain(), inetd.drain())
        ((_, factory),) = self.reactor.adopted
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(StringTransportWithDisconnection())
        protocol.connectionLost(Failure(ConnectionDone()))
        client.close()
        self.assertEqual(over, [None])
        inetd.stopService()
        self.assertEqual(over, [None])

    def test_drainIdle(self) -> None:
        """A drain of services that serve no client is over at once."""
        over: list[Any] = []
        self.running(ECHO, PROGRAM.format("x")).drain().addCallback(over.append)
        self.assertEqual(over, [None])

    def test_drainRemoved(self) -> None:
        """The programs of services that are gone are waited for as well."""
        inetd = self.running(PROGRAM.format("x"), ECHO)
        played = self.ready()
        self.argument(inetd, "0/tcp", played)
        self.write(DISCARD)
        inetd.reload()
        over: list[Any] = []
        inetd.drain().addCallback(over.append)
        self.reactor.advance(1)
        self.assertEqual((over, inetd.state().running), ([], 1))

    def test_stopDraining(self) -> None:
        """To stop is to wait no more."""
        inetd = self.running(PROGRAM.format("x"))
        played = self.ready()
        self.argument(inetd, "0/tcp", played)
        over: list[Any] = []
        inetd.drain().addCallback(over.append)
        self.assertEqual(over, [])
        inetd.stopService()
        self.assertEqual(over, [None])
