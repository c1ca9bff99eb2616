# -*- test-case-name: inetdtw.serve.test.test_admissiondescriptors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The file descriptors that one service has for one purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from inetdtw.model.source import Prefix, hostOf, sourceOf
from inetdtw.system.descriptors import Claim, Descriptors, Purpose


@dataclass(frozen=True)
class DescriptorAccount:
    """
    The descriptors that one service has for one purpose.

    @ivar each: how many descriptors a client has from its admission to its release.
    @ivar more: how many more it takes to start what serves it.
    @ivar bounded: whether each client address has a bound.
    @ivar prefix: how much of an address counts as one.
    """

    descriptors: Descriptors
    purpose: Purpose
    service: str
    each: int = 0
    more: int = 0
    bounded: bool = False
    prefix: Prefix = (32, 64)

    def sourceOf(self, peer: object) -> str:
        """
        Return the address, or the network, by which a client is counted.

        @param peer: an address as accept(2) gives it.

        @return: an empty string, which all clients share, if addresses have no bound.
        """
        return sourceOf(hostOf(peer), self.prefix) if self.bounded else ""

    def short(self) -> bool:
        """Tell whether the process is out of descriptors for one more client."""
        return not self._canOpen() and self._without(self._canOpen)

    def _canOpen(self) -> bool:
        return self.descriptors.enoughFor(self.each + self.more)

    def full(self) -> bool:
        """Tell whether one more client does not fit into the share now."""
        return not self._fits() and self._without(self._fits)

    def _fits(self) -> bool:
        count = self.each + self.more
        return not count or self.descriptors.fits(count, self.purpose, self.service)

    def _without(self, there: Callable[[], bool]) -> bool:
        """
        Close what programs left behind, the oldest first, until there are enough.

        @return: whether there are still too few.
        """
        leftovers = self.descriptors.leftovers
        while not there():
            oldest = leftovers.oldest() if self.purpose is Purpose.CHILD else None
            if oldest is None:
                return True
            oldest.abandon()
        return False

    def claim(self, count: int) -> Claim | None:
        """Count descriptors for a moment; return C{None} if there are too few."""
        key = (self.purpose, self.service)
        if self.descriptors.short(count) or not self.descriptors.fits(count, *key):
            return None
        return self.descriptors.take(count, *key)

    def refuses(self, peer: object) -> bool:
        """Tell whether the clients of an address have as many as one may have."""
        if not (self.bounded and self.each):
            return False
        key = (self.purpose, self.service, self.sourceOf(peer))
        return not self.descriptors.fits(self.each, *key)

    def take(self, peer: object = None) -> None:
        """Count the descriptors of a client that was admitted."""
        if self.each:
            key = (self.purpose, self.service, self.sourceOf(peer))
            self.descriptors.take(self.each, *key)

    def release(self, peer: object = None) -> None:
        """Stop counting the descriptors of a client that is released."""
        if self.each:
            key = (self.purpose, self.service, self.sourceOf(peer))
            self.descriptors.release(self.each, key)
