# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.accepting}: what the processes would do, the test does."""

from __future__ import annotations

import os
from typing import Any, Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import ACCEPTED, WITHDRAWN
from inetdtw.helpers.warm.protocol import ACCEPT, WITHDRAW
from inetdtw.interfaces import IAcceptDelegate, IDelegatingLauncher
from inetdtw.launch.warm.accepting import DelegatingWarmLauncher, warmLauncherFor
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.test.played import KEPT, PEER, PID, PlayedWarm, Watcher
from inetdtw.launch.warm.test.test_launcher import WarmTestCase
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.limits.budget import ProcessBudget
from inetdtw.test.fakes import FakeLauncher


@implementer(IDelegatingLauncher)
class FakeAccepting(FakeLauncher):
    """
    A launcher that can accept connections, which it does not do.

    @ivar watchers: who has left a socket to it, by numbers.
    @ivar withdrawn: what is called when it accepts no more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watchers: dict[int, Any] = {}
        self.withdrawn: list[Callable[[], None]] = []
        self._count = 0

    def delegate(self, watcher: Any, order: Any) -> int:
        """Remember who has left a socket."""
        self._count += 1
        self.watchers[self._count] = watcher
        return self._count

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Forget a socket."""
        del self.watchers[number]
        self.withdrawn.append(free)


class DelegatingWarmLauncherTests(WarmTestCase):
    """Tests for L{DelegatingWarmLauncher}."""

    def make(self) -> Any:
        """The launcher."""
        self.launcher: Any = FakeAccepting()
        self.addCleanup(self.launcher.close)
        given = (KEPT, self.reactor, self.runtime.report, "1/tcp")
        self.budget = ProcessBudget()
        return warmLauncherFor(self.launcher, *given, self.budget)

    def setUp(self) -> None:
        """Have somebody who leaves a socket to it."""
        super().setUp()
        self.watcher = Watcher()
        self.zero = os.open("/dev/zero", os.O_RDONLY)
        self.addCleanup(os.close, self.zero)
        self.freed: list[int] = []

    def delegate(self, **given: Any) -> int:
        """Leave a socket to it."""
        fds = (self.zero,) * 3
        number = self.warm.delegate(self.watcher, self.order(fds=fds, **given))
        assert isinstance(number, int)
        return number

    def free(self) -> None:
        """A socket is free."""
        self.freed.append(1)

    def took(self, played: PlayedWarm | None = None) -> tuple[int, int]:
        """What the process was sent: its number and what it is."""
        played = self.played if played is None else played
        number, what, _, fds = played.take()
        self.assertEqual(len(fds), int(what == ACCEPT))
        for fd in fds:
            os.close(fd)
        return number, what

    def test_interface(self) -> None:
        """It is a launcher that can accept, as its cold launcher can."""
        verifyObject(IDelegatingLauncher, self.warm)
        given = (KEPT, self.reactor, self.runtime.report, "1/tcp")
        self.assertIs(type(warmLauncherFor(FakeLauncher(), *given)), WarmLauncher)
        self.assertIsInstance(self.warm, DelegatingWarmLauncher)

    def test_coldFirst(self) -> None:
        """
        Until the process is ready, the cold launcher accepts; then the process does,
        and the cold launcher does not any more.
        """
        self.delegate()
        (watcher,) = self.launcher.watchers.values()
        verifyObject(IAcceptDelegate, watcher)
        self.assertIs(watcher.accepted(PEER).warm, False)
        self.greet()
        self.assertEqual(self.took(), (1, ACCEPT))
        self.assertEqual(self.launcher.watchers, {})

    def test_coldTroubles(self) -> None:
        """What the cold launcher says of a socket is passed on."""
        self.delegate()
        (watcher,) = self.launcher.watchers.values()
        watcher.dropped(PEER, "a reason")
        watcher.crowded()
        self.assertEqual(self.watcher.told, [(PEER, "a reason"), "crowded"])

    def test_warmFirst(self) -> None:
        """Where it is ready, the process accepts at once."""
        self.greet()
        with open(os.devnull) as null:
            fds = (self.zero, null.fileno(), null.fileno())
            number = self.warm.delegate(self.watcher, self.order(fds=fds))
        given, what, _, (fd,) = self.played.take()
        self.assertEqual(os.readlink(f"/proc/self/fd/{fd}"), "/dev/zero")
        os.close(fd)
        self.assertEqual((given, what), (number, ACCEPT))
        self.assertEqual(self.launcher.watchers, {})
        self.played.say((ACCEPTED, number, PID, 0), peer=PEER)
        self.reactor.settle()
        self.assertEqual(self.watcher.told, [PEER])
        self.assertEqual(self.watcher.children[0].told, [PID])

    def test_died(self) -> None:
        """When it dies, the cold launcher accepts, until there is another."""
        self.greet()
        self.delegate()
        self.die()
        self.assertEqual(len(self.launcher.watchers), 1)
        self.reactor.advance(FIRST_PAUSE)
        second = self.come()
        self.greet(second)
        self.assertEqual(self.took(second), (1, ACCEPT))
        self.assertEqual(self.launcher.watchers, {})

    def test_renew(self) -> None:
        """
        When there is a new one, it accepts and the old one does not any more, which
        ends then.
        """
        self.greet()
        self.delegate()
        self.took()
        self.warm.renew()
        second = self.come()
        self.greet(second)
        self.assertEqual(self.took(second), (1, ACCEPT))
        self.assertEqual(self.took(), (1, WITHDRAW))
        self.played.say((WITHDRAWN, 1, 0, 0))
        self.reactor.settle()
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_withdraw(self) -> None:
        """A socket is free when the process says so."""
        self.greet()
        number = self.delegate()
        self.took()
        self.warm.withdraw(number, self.free)
        self.assertEqual(self.took(), (number, WITHDRAW))
        self.assertEqual(self.freed, [])
        self.played.say((WITHDRAWN, number, 0, 0))
        self.reactor.settle()
        self.assertEqual(self.freed, [1])

    def test_withdrawCold(self) -> None:
        """Or when the cold launcher says so, if that accepts."""
        number = self.delegate()
        self.warm.withdraw(number, self.free)
        self.assertEqual(self.freed, [])
        self.launcher.withdrawn.pop()()
        self.assertEqual(self.freed, [1])
        self.greet()
        self.assertEqual(self.launcher.watchers, {})

    def test_withdrawAfterDeath(self) -> None:
        """Or when the cold launcher says so, if that accepts since the process died."""
        self.greet()
        number = self.delegate()
        self.die()
        self.warm.withdraw(number, self.free)
        self.assertEqual((self.freed, self.launcher.watchers), ([], {}))
        self.launcher.withdrawn.pop()()
        self.assertEqual(self.freed, [1])

    def test_withdrawRetired(self) -> None:
        """A socket is free at once when the launcher was retired and its process is gone."""
        self.greet()
        number = self.delegate()
        self.warm.retire()
        self.die()
        self.warm.withdraw(number, self.free)
        self.assertEqual(self.freed, [1])

    def test_other(self) -> None:
        """What the process was not started for is accepted by the cold launcher."""
        self.greet()
        self.delegate(executable="/other")
        self.assertEqual(len(self.launcher.watchers), 1)

    def test_otherReady(self) -> None:
        """So it is where a new process is for something else than the one before."""
        self.greet()
        self.delegate()
        self.took()
        self.launch(executable="/other")
        self.warm.renew()
        second = self.come()
        self.greet(second)
        self.assertEqual(self.took(), (1, WITHDRAW))
        self.assertEqual(len(self.launcher.watchers), 1)

    def test_crowded(self) -> None:
        """Where too many programs run, nobody but the daemon is to accept."""
        self.budget.most, self.budget.leaseSize = 64, 4
        self.budget.running = 63
        self.greet()
        self.delegate()
        self.reactor.advance(0)
        self.assertEqual(self.watcher.told, ["crowded"])
