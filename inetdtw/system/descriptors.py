# -*- test-case-name: inetdtw.system.test.test_descriptors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
One account of all file descriptors of the daemon, by purpose.

What is left of RLIMIT_NOFILE after the sockets that listen, the helper processes, a
reserve for the daemon itself and what other code in this process has open, is divided
into shares.  No purpose takes more than its share, so that a flood of clients of one
kind leaves the others what they need.

Half of a share is divided equally among its services; of the other half a service may
have up to three times as many as it leaves to the others.  A client address may have up
to as many of a service's as it leaves to other addresses.  So one alone may have most
of a share, and another one still gets something.

A process has no descriptor when it accepts a client unless it has found out before:
otherwise it would have to close a connection that could wait in the backlog.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable

from inetdtw.model.source import Prefix, hostOf, sourceOf
from inetdtw.model.state import Use
from inetdtw.system.crowd import Crowd
from inetdtw.system.waitlist import WaitList

#: How many descriptors a client may need for a moment, and how near to the limit it is
#: tried whether there are so many.
WANTED, NEAR = 6, 64
#: The most descriptors in the reserve, and the most that listeners leave to clients.
RESERVE, LEFT = 32, 64
#: The least that a share is, unless the process has less in all.
LEAST = 4
#: The seconds between two counts of what the process has open.
COUNTED = 1.0
#: What is taken for the limit where there is none.
_UNLIMITED = 1 << 20
#: What /dev/fd has where it has the standard descriptors only, whatever is open.
_STANDARD = 3
#: A service, and an address, may have this part of a share, whatever there is besides.
FEW = 8
#: How often what it leaves to others a service, and an address, may have.
_OF_SERVICE, _OF_ADDRESS = 3, 1


class Purpose(Enum):
    """What a descriptor is for."""

    LISTENER = "listeners"
    HELPER = "helpers"
    CHILD = "children"
    PIDFD = "pidfds"
    INTERNAL = "internal"
    TCPMUX = "tcpmux"
    METRICS = "metrics"
    CONTROL = "control"

    # That of the name, which Enum takes, is slow, and this one is asked for often.
    __hash__ = object.__hash__


#: How many of 32 parts of what is left to clients each of their purposes may have.
SHARES = {
    Purpose.CHILD: 14,
    Purpose.INTERNAL: 8,
    Purpose.PIDFD: 4,
    Purpose.TCPMUX: 4,
    Purpose.METRICS: 1,
    Purpose.CONTROL: 1,
}
PARTS = 32

_Key = tuple[Any, ...]


def softLimit() -> int:
    """Return how many descriptors this process may have now."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft


def _countOpen() -> int:
    """Return how many descriptors this process has open, as far as the system says so."""
    try:
        return len(os.listdir("/dev/fd")) - 1
    except OSError:
        # There was none for the directory, or there is no such directory.
        return 0


def _addTo(counts: dict[Any, int], name: Any, count: int) -> None:
    """Add to a count, and forget it when it is 0."""
    left = counts.get(name, 0) + count
    if left:
        counts[name] = left
    else:
        counts.pop(name, None)


def _part(whole: int, weight: int) -> int:
    """
    Return how much of a whole may be taken by what may have C{weight} times as much as
    it leaves.
    """
    return whole * weight // (1 + weight)


class Claim:
    """Descriptors of one owner, which are counted until they are given back."""

    def __init__(self, account: Descriptors, count: int, key: _Key) -> None:
        self._account = account
        self._count = count
        self._key = key
        self._leftover: Any = None

    def leftBehind(self, leftover: Any) -> None:
        """
        The program that they are for has ended: C{leftover.leave()} closes them, when
        others need them.
        """
        if self._count:
            self._leftover = leftover
            self._account.leftovers.add(leftover, self._key[1])

    def give(self) -> None:
        """Give back what is left of them: they are closed."""
        self.giveSome(self._count)

    def giveSome(self, count: int) -> None:
        """Give back some of them, at most those that are left."""
        count = min(count, self._count)
        self._count -= count
        if not self._count and self._leftover is not None:
            self._account.leftovers.discard(self._leftover)
            self._leftover = None
        if count:
            self._account.give(count, *self._key)


class Descriptors:
    """
    The account.

    @ivar leftovers: what was left behind by programs that have ended, has a descriptor
        of L{Purpose.CHILD}, and a C{leave()} that closes it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """@param clock: the time in seconds, from any start."""
        self._clock = clock
        self._taken: dict[Purpose, int] = dict.fromkeys(Purpose, 0)
        self._services: dict[Purpose, dict[str, int]] = {each: {} for each in Purpose}
        self._addresses: dict[_Key, int] = {}
        self._expected: Mapping[Purpose, int] = {}
        self._total = 0
        self._others: int | None = None
        self._counted = 0.0
        self._highest = 0
        self._limit = softLimit()
        self._waiting = WaitList()
        self.leftovers: Crowd[Any] = Crowd()

    def take(
        self, count: int, purpose: Purpose, service: str = "", address: str = ""
    ) -> Claim:
        """
        Count descriptors that are about to be opened.  Whether they may be is for
        L{fits} to say before.

        @param service: whose they are.
        @param address: the address of its client.
        """
        key = (purpose, service, address)
        self._add(count, key)
        return Claim(self, count, key)

    def give(self, count: int, *key: Any) -> None:
        """Count descriptors no more: they are closed."""
        self._add(-count, key)
        if self._waiting:
            self._waiting.notify()

    def keep(self, purpose: Purpose, count: int) -> None:
        """
        Have this many descriptors for a purpose besides those that are L{take}n,
        whether or not all are open now.
        """
        key = (purpose, "", "")
        self._add(count - self._addresses.get(key, 0), key)

    def _add(self, count: int, key: _Key) -> None:
        """Count more or fewer of a purpose, a service and an address."""
        purpose, service, _ = key
        self._total += count
        self._taken[purpose] += count
        _addTo(self._services[purpose], service, count)
        _addTo(self._addresses, key, count)

    def expect(self, counts: Mapping[Purpose, int]) -> None:
        """Have a part of each share for so many services."""
        self._expected = dict(counts)

    def note(self, fd: int) -> None:
        """
        One was opened.  The system gives the lowest number that is free, so that one
        that is far higher than those that are known says that there are others.
        """
        self._highest = fd
        if self._others is None or fd > self._known + NEAR // 4:
            self._count()

    @property
    def _known(self) -> int:
        """How many are open, as far as that is known."""
        if self._others is None:
            self._count()
        return self._total + (self._others or 0)

    def _count(self) -> bool:
        """
        Count what the process has open, unless that was done a moment ago.

        @return: whether it was counted.
        """
        now = self._clock()
        if self._others is not None and now - self._counted < COUNTED:
            return False
        self._counted = now
        self._limit = softLimit()
        found = _countOpen()
        if found <= _STANDARD:
            found = self._highest + 1
        self._others = found - self._total
        return True

    def enough(self, wanted: int = WANTED) -> bool:
        """True if so many can be opened for a moment, by default those of one client."""
        self._limit = softLimit()
        return self._known < self._limit - NEAR or self._canOpen(wanted)

    def _canOpen(self, wanted: int) -> bool:
        """Try it."""
        opened: list[int] = []
        try:
            while len(opened) < wanted:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return False
        finally:
            for fd in opened:
                os.close(fd)
        self._highest = max(opened)
        return True

    def enoughFor(self, count: int) -> bool:
        """True if so many can be opened for a client without the reserve."""
        self._limit = softLimit()
        if self._known < self._limit - NEAR and count <= NEAR - RESERVE:
            return True
        return self.enough(max(count, WANTED)) and not (count and self.short(count))

    def available(self) -> int:
        """
        Return how many more can be opened outside of the reserve; less than 0 if some
        of that is open.
        """
        return self._limit - self._reserve() - self._known

    def _reserve(self) -> int:
        """
        Return how many are left for the daemon itself: to answer an operator, start a
        helper, read the configuration.
        """
        return max(0, min(RESERVE, (self._limit - self._foreign()) // 4))

    def _foreign(self) -> int:
        """Return how many are open for no purpose that is known here."""
        return self._known - self._total

    def _pot(self) -> int:
        """Return how many the purposes that have a share have together."""
        fixed = self._taken[Purpose.LISTENER] + self._taken[Purpose.HELPER]
        free = self._limit - (self._known - self._total)
        return free - max(0, min(RESERVE, free // 4)) - fixed

    def share(self, purpose: Purpose) -> int | None:
        """Return how many a purpose may have; C{None} if it has no share."""
        part = SHARES.get(purpose)
        if part is None:
            return None
        return max(LEAST, self._pot() * part // PARTS)

    def taken(self, purpose: Purpose) -> int:
        """Return how many a purpose has."""
        return self._taken[purpose]

    def uses(self) -> dict[str, Use]:
        """Return what each purpose has."""
        self._limit = softLimit()
        return {each.value: Use(self.taken(each), self.share(each)) for each in Purpose}

    def short(self, count: int) -> bool:
        """True if so many cannot be opened without the reserve, whatever they are for."""
        if self.available() >= count:
            return False
        # What is not of this package may have been closed.
        return not (self._count() and self.available() >= count)

    def fits(
        self,
        count: int,
        purpose: Purpose,
        service: str = "",
        address: str | None = None,
    ) -> bool:
        """
        True if a service may have so many more for a purpose.

        @param address: the address that they are for, if each has a bound.
        """
        share, wanted = self.share(purpose) or 0, self.taken(purpose) + count
        if wanted > share:
            return False
        if wanted <= share // FEW:
            return True
        own = self._services[purpose].get(service, 0)
        bound = self._boundOf(purpose, service, share, own + count)
        if own + count > bound:
            return False
        if address is None:
            return True
        its = self._addresses.get((purpose, service, address), 0)
        return not its or its + count <= _part(bound - (own - its), _OF_ADDRESS)

    def _boundOf(self, purpose: Purpose, service: str, share: int, wanted: int) -> int:
        """
        Return how many a service may have for a purpose now.

        @param share: how many there may be for the purpose.
        @param wanted: as many are wanted; no more than that need be found out.
        """
        known = self._services[purpose]
        count = max(self._expected.get(purpose, 0), len(known), 1)
        each = share // 2 // count
        pool = share - each * count
        own = known.get(service, 0)
        # All that others have, which is more than what they have of the pool.
        bound = each + _part(pool - (self.taken(purpose) - own), _OF_SERVICE)
        if wanted <= bound:
            return bound
        others = (max(0, has - each) for name, has in known.items() if name != service)
        left = max(0, pool - sum(others))
        return each + (_part(left, _OF_SERVICE) if own else left)

    def spare(self, count: int = 1) -> bool:
        """
        True if there may be so many more that no client needs, as a socket that
        listens: clients of what there is come first.
        """
        self._limit = softLimit()
        left = max(WANTED, min(LEFT, (self._limit - self._foreign()) // 8))
        return not self.short(left + count) and self.enough(left + count)

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when some were given back."""
        self._waiting.add(callback)


@dataclass(frozen=True)
class DescriptorAccount:
    """
    What one service has for one purpose.

    @ivar each: how many descriptors a client has from its admission to its release.
    @ivar more: how many more it takes to start what serves it.
    @ivar bounded: whether there is a bound for each client address.
    @ivar prefix: how much of an address counts as one.
    """

    descriptors: Descriptors
    purpose: Purpose
    service: str
    each: int = 0
    more: int = 0
    bounded: bool = False
    prefix: Prefix = (32, 64)

    def sourceOf(self, peer: Any) -> str:
        """
        Return what counts as the address of a client; that of all clients together if
        addresses have no bound.

        @param peer: an address as accept(2) gives it.
        """
        return sourceOf(hostOf(peer), self.prefix) if self.bounded else ""

    def short(self) -> bool:
        """True if the process is out of descriptors, whatever they are for."""
        return not self._there() and self._without(self._there)

    def _there(self) -> bool:
        """True if there are descriptors for one more client."""
        return self.descriptors.enoughFor(self.each + self.more)

    def full(self) -> bool:
        """True if the service may have no further client now."""
        return not self._fits() and self._without(self._fits)

    def _fits(self) -> bool:
        """True if one more client fits into the share."""
        count = self.each + self.more
        return not count or self.descriptors.fits(count, self.purpose, self.service)

    def _without(self, there: Callable[[], bool]) -> bool:
        """True if something is not there, also when what programs left behind is closed."""
        leftovers = self.descriptors.leftovers
        while not there():
            oldest = leftovers.oldest() if self.purpose is Purpose.CHILD else None
            if oldest is None:
                return True
            leftovers.discard(oldest)
            oldest.leave()
        return False

    def claim(self, count: int) -> Claim | None:
        """Take some for a moment; return C{None} if there are too few."""
        key = (self.purpose, self.service)
        if self.descriptors.short(count) or not self.descriptors.fits(count, *key):
            return None
        return self.descriptors.take(count, *key)

    def refuses(self, peer: Any) -> bool:
        """True if the clients of an address have as many as one address may have."""
        if not (self.bounded and self.each):
            return False
        key = (self.purpose, self.service, self.sourceOf(peer))
        return not self.descriptors.fits(self.each, *key)

    def take(self, peer: Any = None) -> None:
        """A client was admitted."""
        if self.each:
            key = (self.purpose, self.service, self.sourceOf(peer))
            self.descriptors.take(self.each, *key)

    def give(self, peer: Any = None) -> None:
        """A client is released."""
        if self.each:
            key = (self.purpose, self.service, self.sourceOf(peer))
            self.descriptors.give(self.each, *key)
