# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.pool}."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from typing import Any

from zope.interface import alsoProvides

from twisted.internet.defer import Deferred

from inetdtw.interfaces import IDelegatingLauncher
from inetdtw.launch import pool
from inetdtw.launch.direct import DirectLauncher
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.forkserver.launcher import ForkServerPool, usualCount
from inetdtw.launch.pool import OF_HELPER, LauncherPool
from inetdtw.launch.warm.accepting import DelegatingWarmLauncher
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.launch.warm.test.played import KEPT
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import FakeLauncher, ServingTestCase, makeDatagrams, makeService

FORKSERVER = makeService(launch="forkserver")
DIRECT = makeService(launch="direct")
INTERNAL = makeService(internal="echo")


class Recorded(FakeLauncher):
    """
    A launcher that records what it was made for.

    @ivar way: C{direct} or C{forkserver}.
    @ivar context: the context.
    @ivar stopped: fires, when the test asks for it, that all is given up.
    @ivar over: whether it has nothing left to give up.
    """

    over = False

    def __init__(self, way: str, context: ProcessContext) -> None:
        """Record the way to launch and the context."""
        super().__init__()
        self.way = way
        self.context = context
        self.stopped: Deferred[None] = Deferred()

    def stop(self) -> Any:
        """Remember it, and take some time."""
        super().stop()
        return self.stopped


class LaunchersTests(ServingTestCase):
    """Tests for L{LauncherPool}."""

    def setUp(self) -> None:
        """Make launchers that start nothing."""
        super().setUp()
        self.made: list[Recorded] = []
        self.launchers = LauncherPool(self.reactor, self.runtime.report)
        kinds = {"direct": self.maker("direct"), "forkserver": self.maker("forkserver")}
        self.patch(LauncherPool, "_MAKE", kinds)

    def maker(self, way: str) -> Any:
        """Return what makes the launchers of one kind."""

        def make(
            context: ProcessContext, reactor: Any, report: Any, **more: Any
        ) -> Recorded:
            launcher = Recorded(way, context)
            self.made.append(launcher)
            return launcher

        return make

    def test_rooted(self) -> None:
        """Fork servers with a chroot are renewed with each reload."""
        renewed: list[ChrootForkServerPool] = []
        self.patch(LauncherPool, "_MAKE", {"chroot": ChrootForkServerPool})
        self.patch(ChrootForkServerPool, "renew", lambda rooted: renewed.append(rooted))
        service = makeService(context=ProcessContext(chroot="/"))
        for count in (1, 2):
            self.launchers.need([service])
            self.assertIsInstance(self.launchers.of(service), ChrootForkServerPool)
            self.assertEqual(renewed, [self.launchers.of(service)] * count)
        self.launchers.stop()
        for process in self.reactor.processes:
            process.exit()

    def test_need(self) -> None:
        """Each context and way to launch has one started launcher."""
        other = makeService(context=ProcessContext(umask=0o077))
        self.launchers.need([FORKSERVER, DIRECT, makeDatagrams(), other])
        made = [(each.way, each.context.umask, each.calls) for each in self.made]
        self.assertEqual(
            made,
            [
                ("forkserver", 0o022, ["start"]),
                ("direct", 0o022, ["start"]),
                ("forkserver", 0o077, ["start"]),
            ],
        )

    def test_awaits(self) -> None:
        """A child is watched if a launcher has started it, also a retired one."""
        self.patch(
            LauncherPool,
            "_MAKE",
            {"direct": DirectLauncher, "forkserver": ForkServerPool},
        )
        self.patch(DirectLauncher, "awaits", lambda direct, pid: pid == 4)
        self.assertFalse(self.launchers.awaits(4))
        self.launchers.need([DIRECT])
        self.assertTrue(self.launchers.awaits(4))
        self.assertFalse(self.launchers.awaits(5))
        self.launchers.need([])
        self.assertTrue(self.launchers.awaits(4))

    def test_listening(self) -> None:
        """
        A warm process of another user gets no listening socket.

        It could make the daemon block in accept(2).
        """

        def accepting(context: ProcessContext, *given: Any, **more: Any) -> Recorded:
            launcher = Recorded("forkserver", context)
            alsoProvides(launcher, IDelegatingLauncher)
            return launcher

        self.patch(
            LauncherPool, "_MAKE", {"forkserver": accepting, "direct": accepting}
        )
        me = os.geteuid()
        for uid, wanted in (
            (None, DelegatingWarmLauncher),
            (me, DelegatingWarmLauncher),
            (me + 7, WarmLauncher),
        ):
            credentials = None if uid is None else Credentials(uid, 7, ())
            service = makeService(
                warm=KEPT, context=ProcessContext(credentials=credentials)
            )
            self.launchers.need([service])
            self.assertIs(type(self.launchers.of(service)), wanted)

    def test_of(self) -> None:
        """Each service has its own."""
        self.launchers.need([FORKSERVER, DIRECT, makeDatagrams()])
        forkserver, direct = self.made
        self.assertIs(self.launchers.of(FORKSERVER), forkserver)
        self.assertIs(self.launchers.of(makeDatagrams()), forkserver)
        self.assertIs(self.launchers.of(DIRECT), direct)

    def test_internal(self) -> None:
        """An internal service needs none."""
        self.launchers.need([INTERNAL])
        self.assertEqual(self.made, [])
        self.assertIsNone(self.launchers.of(INTERNAL))

    def test_needLess(self) -> None:
        """A launcher that is not needed is retired, and the others are kept."""
        self.launchers.need([FORKSERVER, DIRECT])
        self.launchers.need([DIRECT])
        forkserver, direct = self.made
        self.assertEqual(forkserver.calls, ["start", "retire"])
        self.assertEqual(direct.calls, ["start"])
        self.assertIs(self.launchers.of(DIRECT), direct)

    def test_needAgain(self) -> None:
        """A launcher that is needed again is a new one."""
        self.launchers.need([FORKSERVER])
        self.launchers.need([])
        self.launchers.need([FORKSERVER])
        self.assertEqual(len(self.made), 2)
        self.assertIs(self.launchers.of(FORKSERVER), self.made[1])

    def test_none(self) -> None:
        """Nothing changes when one of the new launchers cannot be made."""
        self.launchers.need([FORKSERVER])
        kinds = {"direct": self.maker("direct"), "forkserver": self.failing}
        self.patch(LauncherPool, "_MAKE", kinds)
        wanted = [DIRECT, makeService(context=ProcessContext(umask=0o077))]
        self.assertRaises(OSError, self.launchers.make, wanted)
        self.assertEqual([each.calls for each in self.made], [["start"], ["retire"]])
        self.assertIs(self.launchers.of(FORKSERVER), self.made[0])

    def test_some(self) -> None:
        """
        Launchers are made for as many services as there are descriptors for.

        The others are logged, and made when they are needed.
        """
        kinds = {"direct": self.maker("direct"), "forkserver": self.failing}
        self.patch(LauncherPool, "_MAKE", kinds)
        self.launchers.need([FORKSERVER, DIRECT])
        self.assertIs(self.launchers.of(DIRECT), self.made[0])
        (stall,) = self.logged("shortage")
        self.assertEqual(stall["reason"], "no more descriptors")
        self.assertRaises(OSError, self.launchers.of, FORKSERVER)
        self.patch(LauncherPool, "_MAKE", {"forkserver": self.maker("forkserver")})
        self.assertIs(self.launchers.of(FORKSERVER), self.made[1])
        self.assertEqual(self.made[1].calls, ["start"])

    def test_expect(self) -> None:
        """
        Descriptors of helper processes are reserved.

        If these are more than half of all, each context has one fork server.
        """
        self.patch(LauncherPool, "_MAKE", {"forkserver": ForkServerPool})
        account = Descriptors()
        given = (self.reactor, self.runtime.report, None, account)
        services = [makeService(context=ProcessContext(umask=n)) for n in range(4)]
        launchers = LauncherPool(*given)
        launchers.expect(services)
        usual = 4 * usualCount() * OF_HELPER
        self.assertEqual(account.taken(Purpose.HELPER), usual)
        launchers.stop()
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.patch(account, "available", lambda: 20)
        launchers.expect(services)
        self.assertEqual(account.taken(Purpose.HELPER), 10)
        launchers.need(services)
        self.assertEqual(account.taken(Purpose.HELPER), 3 * OF_HELPER)
        self.assertEqual(len(self.reactor.processes), 3)
        self.assertEqual(len(self.logged("shortage")), 1)
        self.assertRaises(OSError, launchers.of, services[3])
        self.patch(account, "available", lambda: 200)
        launchers.of(services[3])
        self.assertEqual(account.taken(Purpose.HELPER), 4 * OF_HELPER)
        launchers.stop()
        for process in self.reactor.processes:
            process.exit()

    def test_expectNothing(self) -> None:
        """Nothing is reserved for direct services, or when no descriptor is free."""
        account = Descriptors()
        launchers = LauncherPool(self.reactor, self.runtime.report, None, account)
        launchers.expect([DIRECT])
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.patch(account, "available", lambda: -2)
        launchers.expect([FORKSERVER])
        self.assertEqual(account.taken(Purpose.HELPER), 0)

    def test_expectHalf(self) -> None:
        """
        Each context has the usual number of fork servers if half suffices.

        This is so, too, if nothing was reserved.
        """
        self.patch(os, "cpu_count", lambda: 3)
        for more, wanted in ((None, 3), (0, 3), (-1, 1)):
            account, budget = Descriptors(), ProcessBudget()
            given: list[Any] = []

            def make(
                *usual: Any, budget: ProcessBudget, count: int, **more: Any
            ) -> Any:
                given.extend((budget, count))  # noqa: B023 - used in this turn
                return Recorded("forkserver", usual[0])

            self.patch(LauncherPool, "_MAKE", {"forkserver": make})
            launchers = LauncherPool(self.reactor, self.runtime.report, budget, account)
            if more is not None:
                half = 3 * OF_HELPER + more
                self.patch(account, "available", lambda half=half: 2 * half)
                launchers.expect([FORKSERVER])
            launchers.of(FORKSERVER)
            self.assertEqual(given, [budget, wanted])

    def test_account(self) -> None:
        """
        The descriptors of all fork servers count, also of retired ones.

        Nothing counts for a launcher that cannot be made.
        """
        self.patch(LauncherPool, "_MAKE", {"forkserver": ForkServerPool})
        self.patch(os, "cpu_count", lambda: 1)
        account = Descriptors()
        launchers = LauncherPool(self.reactor, self.runtime.report, None, account)
        services = [makeService(context=ProcessContext(umask=n)) for n in range(4)]
        for count, service in enumerate(services[:2], 1):
            launchers.of(service)
            self.assertEqual(account.taken(Purpose.HELPER), count * OF_HELPER)
        asked: list[int] = []

        def spare(count: int) -> bool:
            asked.append(count)
            return False

        self.patch(account, "spare", spare)
        for _ in range(2):
            self.assertRaises(OSError, launchers.of, services[2])
            self.assertEqual(account.taken(Purpose.HELPER), 2 * OF_HELPER)
        self.assertEqual(asked, [OF_HELPER] * 2)
        self.patch(account, "spare", lambda count: True)
        launchers.make(services[2:])
        self.assertEqual(account.taken(Purpose.HELPER), 4 * OF_HELPER)
        launchers.need([])
        self.assertEqual(account.taken(Purpose.HELPER), 4 * OF_HELPER)
        for process in self.reactor.processes:
            process.exit()
        launchers.need([])
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.successResultOf(launchers.stop())

    def test_accountOfNone(self) -> None:
        """Nothing counts for fork servers that cannot be made, however often."""
        self.patch(LauncherPool, "_MAKE", {"forkserver": self.failing})
        account = Descriptors()
        launchers = LauncherPool(self.reactor, self.runtime.report, None, account)
        for _ in range(3):
            self.assertRaises(OSError, launchers.of, FORKSERVER)
            self.assertEqual(account.taken(Purpose.HELPER), 0)
        launchers.expect([FORKSERVER])
        before = account.taken(Purpose.HELPER)
        for _ in range(3):
            self.assertRaises(OSError, launchers.of, FORKSERVER)
            self.assertEqual(account.taken(Purpose.HELPER), before)

    def test_spareOne(self) -> None:
        """Of what was not set aside there must be enough."""
        account = Descriptors()
        launchers = LauncherPool(self.reactor, self.runtime.report, None, account)
        self.patch(account, "available", lambda: 2 * (OF_HELPER - 1))
        asked: list[int] = []

        def spare(count: int) -> bool:
            asked.append(count)
            return True

        self.patch(account, "spare", spare)
        launchers.expect([FORKSERVER])
        launchers.of(FORKSERVER)
        self.assertEqual(asked, [1])

    def failing(self, *given: Any, **more: Any) -> Any:
        """Return what fails to make launchers."""
        raise OSError(errno.EMFILE, "no more descriptors")

    def test_rootsGroups(self) -> None:
        """A service of root with other groups is started by a fork server."""
        context = ProcessContext(Credentials(0, 0, (0, 8)))
        service = makeService(launch="direct", context=context)
        self.launchers.need([service])
        self.assertEqual(self.made[0].way, "forkserver")
        self.assertIs(self.launchers.of(service), self.made[0])

    def test_noSequencedPackets(self) -> None:
        """All services are direct where there are no sequenced-packet sockets."""
        self.patch(socket, "SOCK_SEQPACKET", None)
        del socket.SOCK_SEQPACKET
        self.launchers.need([FORKSERVER])
        self.assertEqual(self.made[0].way, "direct")

    def test_stop(self) -> None:
        """All launchers are stopped, also retired ones, and waited for."""
        self.launchers.need([FORKSERVER, DIRECT])
        self.launchers.need([DIRECT])
        stopped = self.launchers.stop()
        for each in self.made:
            self.assertEqual(each.calls[-1], "stop")
        self.made[0].stopped.callback(None)
        self.assertNoResult(stopped)
        self.made[1].stopped.callback(None)
        self.successResultOf(stopped)
        self.successResultOf(self.launchers.stop())
        for each in self.made:
            self.assertEqual(each.calls.count("stop"), 1)

    def test_over(self) -> None:
        """A retired launcher is forgotten when it is over, and not before."""
        self.launchers.need([FORKSERVER, DIRECT])
        self.launchers.need([])
        self.made[0].over = True
        self.launchers.need([])
        self.launchers.stop()
        found = [each.calls for each in self.made]
        self.assertEqual(found, [["start", "retire"], ["start", "retire", "stop"]])

    def test_startAgain(self) -> None:
        """After all were stopped there can be new ones."""
        self.launchers.need([FORKSERVER])
        self.launchers.stop()
        self.launchers.need([FORKSERVER])
        self.assertEqual(len(self.made), 2)


class RecordedWarm(Recorded):
    """An interpreter that is kept, which does nothing."""

    def __init__(self, *given: Any) -> None:
        """Record the arguments."""
        super().__init__("warm", ProcessContext())
        self.given = given

    def renew(self) -> None:
        """Remember it."""
        self.calls.append("renew")


class WarmTests(ServingTestCase):
    """Tests for the interpreters that L{LauncherPool} keeps."""

    def setUp(self) -> None:
        """Make launchers that start nothing, and a warm service."""
        super().setUp()
        self.made: list[RecordedWarm] = []
        for name in ("WarmLauncher", "warmLauncherFor"):
            self.patch(pool, name, self.make)
        self.patch(LauncherPool, "_MAKE", {"forkserver": self.cold})
        self.launchers = LauncherPool(self.reactor, self.runtime.report)
        self.service = makeService(warm=KEPT)

    def make(self, *given: Any) -> RecordedWarm:
        """Make what stands for an interpreter."""
        warm = RecordedWarm(*given)
        self.made.append(warm)
        return warm

    def cold(self, context: ProcessContext, *given: Any, **more: Any) -> Recorded:
        """Make what stands for fork servers."""
        return Recorded("forkserver", context)

    def asked(self) -> list[list[str]]:
        """Return what was requested of each warm launcher."""
        return [each.calls for each in self.made]

    def test_need(self) -> None:
        """A warm launcher is made at the start, and renewed with each reload."""
        self.launchers.need([self.service, FORKSERVER, INTERNAL])
        self.assertEqual(self.asked(), [[]])
        self.assertIs(self.launchers.of(self.service), self.made[0])
        self.launchers.need([self.service])
        self.assertEqual(self.asked(), [["renew"]])
        self.assertIsNot(self.launchers.of(FORKSERVER), self.made[0])

    def test_of(self) -> None:
        """A warm launcher is made when it is needed first, and once."""
        for _ in range(2):
            self.assertIs(self.launchers.of(self.service), self.made[0])
        self.assertEqual(len(self.made), 1)

    def test_apart(self) -> None:
        """
        Services share a warm launcher if their cold starts are the same.

        Programs of C{dgram nowait} have another environment.
        """
        datagrams = makeDatagrams(warm=KEPT, wait=True)
        each = replace(datagrams, wait=False)
        services = [self.service, datagrams, each]
        self.launchers.need(services)
        first, second, third = map(self.launchers.of, services)
        self.assertIs(first, second)
        self.assertIsNot(first, third)
        self.assertEqual(len(self.made), 2)

    def test_less(self) -> None:
        """A warm launcher that is not needed is retired, and stopped later."""
        other = makeService(warm=KEPT, context=ProcessContext(umask=0o077))
        self.launchers.need([self.service, other])
        self.launchers.need([self.service])
        self.assertEqual(self.asked(), [["renew"], ["retire"]])
        self.launchers.need([])
        self.assertEqual(self.asked()[0], ["renew", "retire"])
        self.made[0].over = True
        self.launchers.need([])
        self.launchers.stop()
        self.assertEqual(self.asked(), [["renew", "retire"], ["retire", "stop"]])

    def test_stop(self) -> None:
        """All are stopped, and none twice; then there can be others."""
        other = makeService(warm=KEPT, context=ProcessContext(umask=0o077))
        self.launchers.need([self.service, other])
        self.launchers.need([self.service])
        for _ in range(2):
            self.launchers.stop()
        self.assertEqual(self.asked(), [["renew", "stop"], ["retire", "stop"]])
        self.assertIs(self.launchers.of(self.service), self.made[2])

    def test_expect(self) -> None:
        """Descriptors are set aside for each of them, besides those of fork servers."""
        account = Descriptors()
        given = (self.reactor, self.runtime.report, None, account)
        services = [self.service, makeService(warm=KEPT), FORKSERVER]
        LauncherPool(*given).expect(services)
        servers = usualCount() * OF_HELPER
        self.assertEqual(account.taken(Purpose.HELPER), servers + OF_WARM)


class KindsTests(ServingTestCase):
    """Tests for the launchers that L{LauncherPool} has."""

    def test_kinds(self) -> None:
        """The daemon starts programs itself, or fork servers do."""
        launchers = LauncherPool(self.reactor, self.runtime.report)
        launchers.need([FORKSERVER, DIRECT])
        self.assertIsInstance(launchers.of(FORKSERVER), ForkServerPool)
        self.assertIsInstance(launchers.of(DIRECT), DirectLauncher)
        stopped = launchers.stop()
        for process in self.reactor.processes:
            process.exit()
        self.successResultOf(stopped)
