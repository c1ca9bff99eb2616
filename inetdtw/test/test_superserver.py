# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.superserver}."""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface.verify import verifyObject

from twisted.application.service import IService, MultiService

from inetdtw import InetdService, superserver
from inetdtw.helpers.protocol import decode
from inetdtw.model.service import Settings
from inetdtw.system.hostnames import HostNames
from inetdtw.test.fakes import (
    PATIENCE,
    listening,
    makeService,
    openDescriptors,
    openedSince,
)
from inetdtw.test.superservercase import (
    BAD,
    DISCARD,
    ECHO,
    PROGRAM,
    SuperserverTestCase,
)


class StartTests(SuperserverTestCase):
    """Tests for L{InetdService} that starts and stops."""

    def test_interface(self) -> None:
        """The service provides C{IService}, and has a name."""
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
        """A configuration may be a string."""
        inetd = InetdService(text=ECHO + DISCARD, reactor=self.reactor)
        inetd.startService()
        self.addCleanup(inetd.stopService)
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})

    def test_several(self) -> None:
        """There may be several files, and directories of files."""
        directory = os.path.abspath(self.mktemp())
        os.mkdir(directory)
        with open(os.path.join(directory, "more.conf"), "w") as file:
            file.write(DISCARD)
        self.write(ECHO)
        inetd = InetdService([self.path, directory], reactor=self.reactor)
        inetd.startService()
        self.addCleanup(inetd.stopService)
        self.assertEqual(set(inetd.getHosts()), {"0/tcp", "0/udp"})

    def test_id(self) -> None:
        """A service with an id is found by that."""
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
        A reload between the two steps of the start applies to the start.

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
        """The settings are the defaults of lines."""
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
        locations = [event["location"] for event in self.logged("config-error")]
        self.assertEqual(
            [each.split(":")[:2] for each in locations],
            [[self.path, "2"], [self.path, "3"]],
        )

    def test_badLinesOnly(self) -> None:
        """An error is logged once if no service is left."""
        inetd = self.inetd(BAD)
        inetd.privilegedStartService()
        inetd.startService()
        self.assertEqual(len(self.logged("config-error")), 1)

    def test_noFile(self) -> None:
        """A missing file is logged, and is not an internal error."""
        inetd = InetdService("/nowhere/inetd.conf", reactor=self.reactor)
        inetd.startService()
        self.addCleanup(inetd.stopService)
        (problem,) = self.logged("config-error")
        self.assertIn("/nowhere/inetd.conf", problem["reason"])

    def test_warnings(self) -> None:
        """A warning about the file is logged, and its line is served."""
        line = "127.0.0.1:0 stream tcp nowait - /nowhere/prog prog\n"
        inetd = self.running(line)
        (warning,) = self.logged("config-warning")
        self.assertIn("/nowhere/prog", warning["reason"])
        self.assertEqual(set(inetd.getHosts()), {"0/tcp"})

    def test_inUse(self) -> None:
        """A port in use is retried, and the others are served."""
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
        """The superserver can be started again."""
        inetd = self.running(DISCARD, PROGRAM.format("one"))
        for _ in range(2):
            stopped = inetd.stopService()
            self.reactor.processes[-1].exit()
            self.successResultOf(stopped)
            inetd.startService()
            self.assertEqual(self.argument(inetd, "0/tcp", self.ready()), b"one")

    def test_inApplication(self) -> None:
        """The superserver starts and stops with its application."""
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


class HostNamesTests(SuperserverTestCase):
    """Tests for L{InetdService} with host names in lines."""

    LINE = "many:0 stream tcp nowait - internal echo\n"

    def setUp(self) -> None:
        """Make a name service that answers on demand."""
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
        self.assertEqual(self.logged("bind-failed"), [])
        self.answer("127.0.0.1")
        self.assertEqual(self.hosts(inetd)["0/tcp"], "127.0.0.1")
        self.assertTrue(inetd.state().healthy)

    def test_retried(self) -> None:
        """A failed look-up is retried with backoff."""
        inetd = self.running(self.LINE)
        self.answer()
        for _ in range(12):
            (later,) = self.reactor.getDelayedCalls()
            self.reactor.advance(later.getTime() - self.reactor.seconds())
            self.answer()
        reason = "host name look-up: no DNS"
        self.assertEqual(self.logged("bind-failed")[-1]["reason"], reason)
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
        """A reload looks names up again, and moves services to new addresses."""
        inetd = self.running(self.LINE)
        self.answer("127.0.0.1")
        before = inetd.getHosts()
        self.assertTrue(inetd.reload())
        self.answer()
        self.assertEqual(inetd.getHosts(), before)
        (warning,) = self.logged("config-warning")
        reason = "'many': no DNS: the old addresses stay"
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
        (warning,) = self.logged("config-warning")
        self.assertIn("is already served by", warning["reason"])

    def test_stopped(self) -> None:
        """An answer is ignored after a stop, and while the daemon drains."""
        inetd = self.running(self.LINE)
        inetd.drain()
        self.answer("127.0.0.1")
        self.assertEqual(inetd.getHosts(), {})
        inetd = self.running(self.LINE)
        inetd.stopService()
        self.answer("127.0.0.1")
        self.assertEqual(inetd.getHosts(), {})
