# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.accepting}; the test plays the processes."""

from __future__ import annotations

import os
from typing import Any, Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import ACCEPTED, WITHDRAWN
from inetdtw.helpers.requests import ACCEPT, WITHDRAW
from inetdtw.interfaces import IAcceptDelegate, IDelegatingLauncher
from inetdtw.launch.warm.accepting import DelegatingWarmLauncher, warmLauncherFor
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.test.played import PEER, PID, ListenerWatcher, PlayedWarm
from inetdtw.launch.warm.test.test_launcher import WarmTestCase
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.test.fakes import FakeLauncher


@implementer(IDelegatingLauncher)
class FakeDelegatingLauncher(FakeLauncher):
    """
    A launcher that records which sockets are delegated to it.

    @ivar watchers: the delegates of the sockets, by number.

    @ivar withdrawn: what to call when a withdrawn socket is free.
    """

    def __init__(self) -> None:
        """Start without sockets."""
        super().__init__()
        self.watchers: dict[int, Any] = {}
        self.withdrawn: list[Callable[[], None]] = []
        self._count = 0

    def delegate(self, watcher: Any, request: Any) -> int:
        """Record a socket."""
        self._count += 1
        self.watchers[self._count] = watcher
        return self._count

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Remove a socket."""
        del self.watchers[number]
        self.withdrawn.append(free)


class DelegatingWarmLauncherTests(WarmTestCase):
    """Tests for L{DelegatingWarmLauncher}."""

    def make(self) -> Any:
        """Return the launcher."""
        self.launcher: Any = FakeDelegatingLauncher()
        self.addCleanup(self.launcher.close)
        return warmLauncherFor(*self.given())

    def setUp(self) -> None:
        """Make a socket's delegate."""
        super().setUp()
        self.watcher = ListenerWatcher()
        self.zero = os.open("/dev/zero", os.O_RDONLY)
        self.addCleanup(os.close, self.zero)
        self.freed: list[int] = []

    def delegate(self, **given: Any) -> int:
        """Delegate a socket."""
        fds = (self.zero,) * 3
        number = self.warm.delegate(self.watcher, self.request(fds=fds, **given))
        assert isinstance(number, int)
        return number

    def free(self) -> None:
        """Record that a socket is free."""
        self.freed.append(1)

    def took(self, played: PlayedWarm | None = None) -> tuple[int, int]:
        """
        Receive a request about a socket.

        @return: the number of the socket, and the kind.
        """
        played = self.played if played is None else played
        number, what, _, fds = played.take()
        self.assertEqual(len(fds), int(what == ACCEPT))
        for fd in fds:
            os.close(fd)
        return number, what

    def test_interface(self) -> None:
        """The launcher delegates if its cold launcher does."""
        verifyObject(IDelegatingLauncher, self.warm)
        warm = warmLauncherFor(*self.given(FakeLauncher()))
        self.assertIs(type(warm), WarmLauncher)
        self.assertIsInstance(self.warm, DelegatingWarmLauncher)

    def test_coldFirst(self) -> None:
        """The cold launcher accepts until the process is ready."""
        self.delegate()
        (watcher,) = self.launcher.watchers.values()
        verifyObject(IAcceptDelegate, watcher)
        self.assertIsNone(watcher.accepted(PEER).warm)
        self.greet()
        self.assertEqual(self.took(), (1, ACCEPT))
        self.assertEqual(self.launcher.watchers, {})

    def test_coldTroubles(self) -> None:
        """The reports of the cold launcher are passed on."""
        self.delegate()
        (watcher,) = self.launcher.watchers.values()
        watcher.dropped(PEER, "a reason")
        watcher.returned()
        self.assertEqual(self.watcher.calls, [(PEER, "a reason"), "returned"])

    def test_warmFirst(self) -> None:
        """A process that is ready accepts at once."""
        self.greet()
        with open(os.devnull) as null:
            fds = (self.zero, null.fileno(), null.fileno())
            number = self.warm.delegate(self.watcher, self.request(fds=fds))
        given, what, _, (fd,) = self.played.take()
        self.assertEqual(os.readlink(f"/proc/self/fd/{fd}"), "/dev/zero")
        os.close(fd)
        self.assertEqual((given, what), (number, ACCEPT))
        self.assertEqual(self.launcher.watchers, {})
        self.played.report((ACCEPTED, number, PID, 0), peer=PEER)
        self.reactor.settle()
        self.assertEqual(self.watcher.calls, [PEER])
        self.assertEqual(self.watcher.children[0].calls, [PID])

    def test_died(self) -> None:
        """The cold launcher accepts when the process has died, until the next."""
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
        """A replacement accepts when it is ready, and the old process stops."""
        self.greet()
        self.delegate()
        self.took()
        self.warm.renew()
        second = self.come()
        self.greet(second)
        self.assertEqual(self.took(second), (1, ACCEPT))
        self.assertEqual(self.took(), (1, WITHDRAW))
        self.played.report((WITHDRAWN, 1, 0, 0))
        self.reactor.settle()
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_withdraw(self) -> None:
        """A socket is free when the process reports it."""
        self.greet()
        number = self.delegate()
        self.took()
        self.warm.withdraw(number, self.free)
        self.assertEqual(self.took(), (number, WITHDRAW))
        self.assertEqual(self.freed, [])
        self.played.report((WITHDRAWN, number, 0, 0))
        self.reactor.settle()
        self.assertEqual(self.freed, [1])

    def test_withdrawCold(self) -> None:
        """A socket is free when the cold launcher reports it, if that accepts."""
        number = self.delegate()
        self.warm.withdraw(number, self.free)
        self.assertEqual(self.freed, [])
        self.launcher.withdrawn.pop()()
        self.assertEqual(self.freed, [1])
        self.greet()
        self.assertEqual(self.launcher.watchers, {})

    def test_withdrawAfterDeath(self) -> None:
        """After the death of the process, the cold launcher frees the socket."""
        self.greet()
        number = self.delegate()
        self.die()
        self.warm.withdraw(number, self.free)
        self.assertEqual((self.freed, self.launcher.watchers), ([], {}))
        self.launcher.withdrawn.pop()()
        self.assertEqual(self.freed, [1])

    def test_withdrawRetired(self) -> None:
        """A socket is free when a retired launcher has no process any more."""
        self.greet()
        number = self.delegate()
        self.warm.retire()
        self.die()
        self.warm.withdraw(number, self.free)
        self.assertEqual(self.freed, [1])

    def test_other(self) -> None:
        """The cold launcher accepts for a program other than that of the process."""
        self.greet()
        self.delegate(executable="/other")
        self.assertEqual(len(self.launcher.watchers), 1)

    def test_otherReady(self) -> None:
        """The cold launcher accepts if a replacement is for another program."""
        self.greet()
        self.delegate()
        self.took()
        self.launch(executable="/other")
        self.warm.renew()
        second = self.come()
        self.greet(second)
        self.assertEqual(self.took(), (1, WITHDRAW))
        self.assertEqual(len(self.launcher.watchers), 1)

    def test_returned(self) -> None:
        """Only the daemon accepts where too many programs run."""
        self.budget.most, self.budget.leaseSize = 64, 4
        self.budget.running = 63
        self.greet()
        self.delegate()
        self.reactor.advance(0)
        self.assertEqual(self.watcher.calls, ["returned"])
