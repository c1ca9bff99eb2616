# -*- test-case-name: inetdtw.limits.test.test_service -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Counting: how many programs of a service run, and have started lately."""

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
    Whether one more program may start.

    @cvar ADMIT: it may, and has been counted.
    @cvar TRIPPED: the service started too many in the last minute.
    @cvar PEER_RATE: this client did.
    @cvar PEER_BUSY: this client has as many running as it may.
    @cvar PEER_ANSWERED: this client has had as many answers as it may; L{ServiceLimits.admit}
        does not return this.
    """

    ADMIT = "admitted"
    TRIPPED = "more than {} starts a minute"
    PEER_RATE = "more than {} starts a minute for one address"
    PEER_BUSY = "more than {} at once for one address"
    PEER_ANSWERED = "more than {} answers a minute for one address"


class _Starts:
    """The starts of the last minute, up to a bound."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def reached(self, bound: int, now: float) -> bool:
        """Whether there were C{bound} of them."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        return len(self._times) >= bound

    def left(self, bound: int, now: float) -> int:
        """How many are missing to C{bound}."""
        return 0 if self.reached(bound, now) else bound - len(self._times)

    def add(self, now: float) -> None:
        """There was one."""
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
        """What the counts may reach; it may be changed at any time."""
        return self._bounds

    @bounds.setter
    def bounds(self, bounds: Bounds) -> None:
        if bounds.sourcePrefix != self._bounds.sourcePrefix:
            # The starts of the last minute are counted by other sources.
            self._peerStarts.clear()
        self._bounds = bounds
        self._sources.clear()
        if bounds.perSource:
            for peer, count in self._peers.items():
                self._sources[self.sourceOf(peer)] += count

    def sourceOf(self, peer: str) -> str:
        """Return what counts as one client address."""
        return sourceOf(peer, self._bounds.sourcePrefix)

    @property
    def full(self) -> bool:
        """Whether as many programs run as may; further clients should wait."""
        return 0 < self.bounds.acceptMax <= self.running

    def busy(self, source: str) -> bool:
        """
        True if a source has as many programs as it may have.

        @param source: what L{sourceOf} returns.
        """
        return bool(source) and 0 < self._bounds.perSource <= self._sources[source]

    def admit(self, peer: str = "") -> Admission:
        """
        Ask to start one more, and count it if it may start.

        @param peer: the client's address, if it is known.
        """
        now = self._clock()
        known = self._bounds.perSource or self._bounds.ipMax
        source = self.sourceOf(peer) if known else peer
        verdict = self._judge(source, now)
        if verdict is Admission.ADMIT:
            self._count(peer, source, now)
        else:
            self.refuse()
        return verdict

    def mayAnswer(self, peer: Any, cost: int = 1, take: bool = True) -> bool:
        """
        True if a client may be answered once more.

        @param peer: its address as recvfrom(2) gives it, in a tuple.
        @param cost: how many answers this one counts as.
        @param take: whether it is answered now.
        """
        most, prefix = self._bounds.answerMax, self._bounds.sourcePrefix
        # An unnamed UNIX socket cannot be answered.
        if not (most and peer[0]):
            return True
        return self._answers.allows(answeredTo(peer, prefix), most, cost, take)

    def mayLogAnswers(self) -> bool:
        """True once in a minute, to log that clients are not answered."""
        return self._answers.mayLog()

    def about(self, verdict: Admission, peer: str) -> str:
        """
        Return a verdict in words.

        @param peer: the client's address.  The words have no more of it than the length
            of the prefix, as the log may not have the address.
        """
        reason = verdict.value.format(self.bound(verdict))
        _, slash, length = self.sourceOf(peer).rpartition("/")
        return reason.replace("one address", f"one /{length}") if slash else reason

    def remaining(self, most: int) -> int:
        """How many more may start now, up to C{most}."""
        if not self.bounds.serviceMax:
            return most
        return min(most, self._starts.left(self.bounds.serviceMax, self._clock()))

    def countRestart(self) -> None:
        """One that was admitted has ended, and was started again."""
        self.tally.admitted += 1
        if self.bounds.serviceMax:
            self._starts.add(self._clock())

    def resetRate(self) -> None:
        """Count the starts of the service anew."""
        self._starts = _Starts()

    def refuse(self) -> None:
        """Count a client that is refused for another reason than these limits."""
        self.tally.refused += 1

    def release(self, peer: str = "") -> None:
        """One that was admitted for C{peer} has ended."""
        self.running -= 1
        _countDown(self._peers, peer)
        if self._bounds.perSource:
            _countDown(self._sources, self.sourceOf(peer))

    def bound(self, verdict: Admission) -> int:
        """The bound that led to a verdict."""
        return {
            Admission.TRIPPED: self.bounds.serviceMax,
            Admission.PEER_RATE: self.bounds.ipMax,
            Admission.PEER_BUSY: self.bounds.perSource,
            Admission.PEER_ANSWERED: self.bounds.answerMax,
        }.get(verdict, 0)

    def _judge(self, source: str, now: float) -> Admission:
        """Whether one more may start."""
        bounds = self.bounds
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
        """One more starts."""
        self.running += 1
        self.tally.admitted += 1
        if self.bounds.serviceMax:
            self._starts.add(now)
        if not peer:
            return
        # Without a bound too: there may be one when they end.
        self._peers[peer] += 1
        if self.bounds.perSource:
            self._sources[source] += 1
        if self.bounds.ipMax:
            starts = self._peerStarts.setdefault(source, _Starts())
            self._peerStarts.move_to_end(source)
            starts.add(now)
            self._forget(now)

    def _forget(self, now: float) -> None:
        """
        Drop what is known of clients that started nothing for a minute.

        The clients are in the order of their last starts.
        """
        while self._peerStarts:
            peer, starts = next(iter(self._peerStarts.items()))
            if starts.reached(1, now):
                return
            del self._peerStarts[peer]


def _countDown(counts: Counter[str], name: str) -> None:
    """Take one from a count, and forget it when it is 0."""
    if counts[name] > 1:
        counts[name] -= 1
    else:
        del counts[name]
