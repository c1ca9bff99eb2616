# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.pool}: the descriptors of helper processes."""

from __future__ import annotations

import os
from typing import Any

from inetdtw.launch.forkserver.launcher import ForkServerPool, usualCount
from inetdtw.launch.pool import OF_HELPER, LauncherPool
from inetdtw.launch.test.poolcase import DIRECT, FORKSERVER, LaunchersTestCase, Recorded
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import ProcessContext
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import makeService


class AccountTests(LaunchersTestCase):
    """Tests for the descriptors that launchers take, and that are reserved."""

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
