# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.pool}."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any

from zope.interface import alsoProvides

from inetdtw.interfaces import IDelegatingLauncher
from inetdtw.launch import pool
from inetdtw.launch.direct import DirectLauncher
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.forkserver.launcher import ForkServerPool, usualCount
from inetdtw.launch.pool import OF_HELPER, LauncherPool
from inetdtw.launch.test.poolcase import (
    DIRECT,
    FORKSERVER,
    INTERNAL,
    LaunchersTestCase,
    Recorded,
)
from inetdtw.launch.warm.accepting import DelegatingWarmLauncher
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.launch.warm.test.played import KEPT
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import ServingTestCase, makeDatagrams, makeService


class LaunchersTests(LaunchersTestCase):
    """Tests for L{LauncherPool}."""

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
