# -*- test-case-name: inetdtw.limits.test.test_service -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The limits of a service: running programs, and starts in the last minute."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from enum import Enum
from typing import Any, Callable

from inetdtw.limits.answerrate import AnswerRate, answeredTo
from inetdtw.limits.counters import Tally
from inetdtw.model.service import Bounds
from inetdtw.model.source import sourceOf

#: The seconds that a rate counts over.
WINDOW = 60.0


class Admission(Enum):
    """
    Whether a client is admitted, or the limit that it exceeds.

    @cvar ADMIT: it is, and has been counted.
    @cvar TRIPPED: the rate limit of the service.
    @cvar PEER_RATE: the rate limit of its address.
    @cvar PEER_BUSY: the limit of running programs of its address.
    @cvar PEER_ANSWERED: the limit of answers to its address, which
        L{ServiceLimits.admit} does not check.
    """

    ADMIT = "admitted"
    TRIPPED = "rate limit ({}/min) exceeded"
    PEER_RATE = "per-address rate limit ({}/min) exceeded"
    PEER_BUSY = "per-address limit ({} at once) reached"
    PEER_ANSWERED = "per-address limit ({} answers/min) exceeded"


class _Starts:
    """The times of the starts in the last minute."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def reached(self, bound: int, now: float) -> bool:
        """Tell whether there were C{bound} starts."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        return len(self._times) >= bound

    def add(self, now: float) -> None:
        self._times.append(now)


class ServiceLimits:
    """
    The clients and programs of one service, and whether it may have one more.

    @ivar running: how many programs run, or how many clients of an internal service are
        served.
    @ivar tally: what is counted for the operator, from the start of the daemon on.
    """

    def __init__(
        self, bounds: Bounds, clock: Callable[[], float], tally: Tally | None = None
    ) -> None:
        """@param clock: the time in seconds, from any start."""
        self._bounds = bounds
        self.running = 0
        self.tally = Tally() if tally is None else tally
        self._clock = clock
        self._starts = _Starts()
        self._peerStarts: OrderedDict[str, _Starts] = OrderedDict()
        self._peers: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._answers = AnswerRate(clock)

    @property
    def bounds(self) -> Bounds:
        """The limits, which can be changed at any time."""
        return self._bounds

    @bounds.setter
    def bounds(self, bounds: Bounds) -> None:
        if bounds.sourcePrefix != self._bounds.sourcePrefix:
            # The starts of the last minute were counted by other prefixes.
            self._peerStarts.clear()
        self._bounds = bounds
        self._sources.clear()
        if bounds.perSource:
            for peer, count in self._peers.items():
                self._sources[self.sourceOf(peer)] += count

    def sourceOf(self, peer: str) -> str:
        """Return a client's address, cut to the length of the prefix."""
        return sourceOf(peer, self._bounds.sourcePrefix)

    @property
    def full(self) -> bool:
        """Whether as many programs run as may, so that further clients have to wait."""
        return 0 < self._bounds.acceptMax <= self.running

    def busy(self, source: str) -> bool:
        """
        Tell whether a source has as many programs as it may have.

        @param source: what L{sourceOf} returns.
        """
        return bool(source) and 0 < self._bounds.perSource <= self._sources[source]

    def admit(self, peer: str = "") -> Admission:
        """
        Decide on a client, and count it as admitted or refused.

        @param peer: the client's address, if it is known.
        """
        now = self._clock()
        known = self._bounds.perSource or self._bounds.ipMax
        source = self.sourceOf(peer) if known else peer
        admission = self._judge(source, now)
        if admission is Admission.ADMIT:
            self._count(peer, source, now)
        else:
            self.refuse()
        return admission

    def mayAnswer(self, peer: Any, cost: int = 1, take: bool = True) -> bool:
        """
        Tell whether a client may be answered once more.

        @param peer: its address as recvfrom(2) gives it, in a tuple.
        @param cost: how many answers this one counts as.
        @param take: whether to count it.
        """
        most, prefix = self._bounds.answerMax, self._bounds.sourcePrefix
        # An unnamed UNIX socket cannot be answered.
        if not (most and peer[0]):
            return True
        return self._answers.allows(answeredTo(peer, prefix), most, cost, take)

    def about(self, admission: Admission, peer: str) -> str:
        """
        Return why a client is refused.

        @param peer: the client's address.  The text only has the length of its prefix,
            because the log may have to omit addresses.
        """
        reason = admission.value.format(self.bound(admission))
        _, slash, length = self.sourceOf(peer).rpartition("/")
        return reason.replace("per-address", f"per-/{length}") if slash else reason

    def resetRate(self) -> None:
        """Forget the starts of the last minute."""
        self._starts = _Starts()

    def refuse(self) -> None:
        """Count a client that is refused for another reason than these limits."""
        self.tally.refused += 1

    def release(self, peer: str = "") -> None:
        """Count a client no more that was admitted."""
        self.running -= 1
        _countDown(self._peers, peer)
        if self._bounds.perSource:
            _countDown(self._sources, self.sourceOf(peer))

    def bound(self, admission: Admission) -> int:
        """Return the limit that a client exceeds."""
        return {
            Admission.TRIPPED: self._bounds.serviceMax,
            Admission.PEER_RATE: self._bounds.ipMax,
            Admission.PEER_BUSY: self._bounds.perSource,
            Admission.PEER_ANSWERED: self._bounds.answerMax,
        }.get(admission, 0)

    def _judge(self, source: str, now: float) -> Admission:
        bounds = self._bounds
        if self.busy(source):
            return Admission.PEER_BUSY
        if source and bounds.ipMax:
            starts = self._peerStarts.get(source)
            if starts is not None and starts.reached(bounds.ipMax, now):
                return Admission.PEER_RATE
        if bounds.serviceMax and self._starts.reached(bounds.serviceMax, now):
            return Admission.TRIPPED
        return Admission.ADMIT

    def _count(self, peer: str, source: str, now: float) -> None:
        self.running += 1
        self.tally.admitted += 1
        if self._bounds.serviceMax:
            self._starts.add(now)
        if not peer:
            return
        # A reload can set a limit before they end.
        self._peers[peer] += 1
        if self._bounds.perSource:
            self._sources[source] += 1
        if self._bounds.ipMax:
            starts = self._peerStarts.setdefault(source, _Starts())
            self._peerStarts.move_to_end(source)
            starts.add(now)
            self._forget(now)

    def _forget(self, now: float) -> None:
        """
        Drop sources without a start in the last minute.

        The sources are in the order of their last starts.
        """
        while self._peerStarts:
            peer, starts = next(iter(self._peerStarts.items()))
            if starts.reached(1, now):
                return
            del self._peerStarts[peer]


def _countDown(counts: Counter[str], name: str) -> None:
    """Subtract 1, and delete the name when its count is 0."""
    if counts[name] > 1:
        counts[name] -= 1
    else:
        del counts[name]
