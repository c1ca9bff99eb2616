# -*- test-case-name: inetdtw.system.test.test_descriptors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The account of all file descriptors of the daemon, by purpose.

What is left of RLIMIT_NOFILE after listening sockets, helper processes, the reserve for
the daemon itself and foreign descriptors is divided into shares, one for each purpose.
No purpose takes more than its share, so that a flood of clients of one kind leaves the
others what they need.

Half of a share is divided equally among the services.  Of the other half, a service may
have up to three times as many descriptors as it leaves to the others.  A client address
may have as many of a service's descriptors as it leaves to other addresses.  So one
service or address alone may have most of a share, and another one still gets some.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import Enum
from typing import Callable, TypeVar

from inetdtw.model.state import Use
from inetdtw.system.crowd import Crowd
from inetdtw.system.fdlimit import Headroom, softLimit
from inetdtw.system.waitlist import WaitList

#: The size of a share at least, unless the process has fewer descriptors in all.
LEAST = 4
#: A service and an address always get this part of a share.
FEW = 8
#: What a service, and an address, may have in proportion to what it leaves.
_OF_SERVICE, _OF_ADDRESS = 3, 1


class Purpose(Enum):
    """The purpose of a descriptor."""

    LISTENER = "listeners"
    HELPER = "helpers"
    CHILD = "children"
    PIDFD = "pidfds"
    INTERNAL = "internal"
    TCPMUX = "tcpmux"
    METRICS = "metrics"
    CONTROL = "control"

    # Enum hashes the name, which is slow: every client looks purposes up.
    __hash__ = object.__hash__


#: The share of each purpose in parts; the other purposes come first and have none.
SHARES = {
    Purpose.CHILD: 14,
    Purpose.INTERNAL: 8,
    Purpose.PIDFD: 4,
    Purpose.TCPMUX: 4,
    Purpose.METRICS: 1,
    Purpose.CONTROL: 1,
}
PARTS = 32

_Key = tuple[Purpose, str, str]
_Name = TypeVar("_Name")


def _addTo(counts: dict[_Name, int], name: _Name, count: int) -> None:
    """Add to a count, and delete it when it is 0."""
    left = counts.get(name, 0) + count
    if left:
        counts[name] = left
    else:
        counts.pop(name, None)


def _part(whole: int, weight: int) -> int:
    """Return the part that is C{weight} times as large as the rest of C{whole}."""
    return whole * weight // (1 + weight)


class Claim:
    """Descriptors of one owner, which are counted until they are released."""

    def __init__(self, account: Descriptors, count: int, key: _Key) -> None:
        """@param key: the purpose, the service and the client address."""
        self._account = account
        self._count = count
        self._key = key
        self._close: Callable[[], object] | None = None

    def leftBehind(self, close: Callable[[], object]) -> None:
        """
        Let the descriptors be closed when other clients need them.

        @param close: closes what a program that has exited left behind, and releases
            the descriptors.
        """
        if self._count:
            self._close = close
            self._account.leftovers.add(self, self._key[1])

    def abandon(self) -> None:
        """Close what was left behind."""
        self._account.leftovers.discard(self)
        close, self._close = self._close, None
        if close is not None:
            close()

    def release(self) -> None:
        """Release all descriptors that are left, which were closed."""
        self.releaseSome(self._count)

    def releaseSome(self, count: int) -> None:
        """Release C{count} descriptors that were closed, or as many as are left."""
        count = min(count, self._count)
        self._count -= count
        if not self._count and self._close is not None:
            self._account.leftovers.discard(self)
            self._close = None
        if count:
            self._account.release(count, self._key)


class Descriptors(Headroom):
    """
    The account, and the headroom that its shares are parts of.

    @ivar leftovers: the descriptors that programs left behind that have exited, by
        their services.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """@param clock: the time in seconds, from any start."""
        super().__init__(clock)
        self._taken: dict[Purpose, int] = dict.fromkeys(Purpose, 0)
        self._services: dict[Purpose, dict[str, int]] = {each: {} for each in Purpose}
        self._addresses: dict[_Key, int] = {}
        self._expected: Mapping[Purpose, int] = {}
        self._waiting = WaitList()
        self.leftovers: Crowd[Claim] = Crowd()

    def take(
        self, count: int, purpose: Purpose, service: str = "", address: str = ""
    ) -> Claim:
        """
        Count descriptors that are about to be opened.

        The caller asks L{fits} and L{short} before.

        @param service: the name of the service that they are for.
        @param address: the address of its client.
        """
        key = (purpose, service, address)
        self._add(count, key)
        return Claim(self, count, key)

    def release(self, count: int, key: _Key) -> None:
        """
        Stop counting descriptors that were closed.

        @param key: the purpose, service and address that they were taken for.
        """
        self._add(-count, key)
        if self._waiting:
            self._waiting.notify()

    def keep(self, purpose: Purpose, count: int) -> None:
        """Set how many descriptors a purpose has besides those of claims."""
        key = (purpose, "", "")
        self._add(count - self._addresses.get(key, 0), key)

    def _add(self, count: int, key: _Key) -> None:
        purpose, service, _ = key
        self.total += count
        self._taken[purpose] += count
        _addTo(self._services[purpose], service, count)
        _addTo(self._addresses, key, count)

    def expect(self, counts: Mapping[Purpose, int]) -> None:
        """Set the number of services that each share is divided among."""
        self._expected = dict(counts)

    def _pot(self) -> int:
        """Return how many descriptors all shares have together."""
        fixed = self._taken[Purpose.LISTENER] + self._taken[Purpose.HELPER]
        return self.limit - self.foreign - self.reserve - fixed

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
        """Return the use and the share of each purpose, by its value."""
        self.limit = softLimit()
        return {each.value: Use(self.taken(each), self.share(each)) for each in Purpose}

    def fits(
        self,
        count: int,
        purpose: Purpose,
        service: str = "",
        address: str | None = None,
    ) -> bool:
        """
        Tell whether a service may have C{count} more for a purpose.

        @param address: the client address, if each address has a bound.
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
        @param wanted: a bound from which on the result need not be exact.
        """
        known = self._services[purpose]
        count = max(self._expected.get(purpose, 0), len(known), 1)
        each = share // 2 // count
        pool = share - each * count
        own = known.get(service, 0)
        # The others may have less of the pool than this: part of it is their own.
        bound = each + _part(pool - (self.taken(purpose) - own), _OF_SERVICE)
        if wanted <= bound:
            return bound
        others = (max(0, has - each) for name, has in known.items() if name != service)
        left = max(0, pool - sum(others))
        return each + (_part(left, _OF_SERVICE) if own else left)

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when some descriptors were released."""
        self._waiting.add(callback)
