# -*- test-case-name: inetdtw.system.test.test_hostnames -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Look host names up without waiting for the name service.

getaddrinfo(3) blocks for as long as a DNS server does not answer.  Each look-up has a
daemon thread: Python does not join these at exit, so that a stuck one delays neither
another name nor the end of the process.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any, Callable, NamedTuple

from inetdtw.model.address import Address, hostIn

#: How many look-ups run at once.
MOST = 16
#: The seconds after which a look-up no longer counts for L{MOST}, and how many may run
#: with these.
OVERDUE, MOST_STUCK = 30.0, 64
#: The seconds that the start, C{--check} and C{--explain} wait for answers.
START_WAIT, CHECK_WAIT = 3.0, 10.0
#: The reason while no look-up of a name has ended.
PENDING = "no answer yet"

#: An address family and a numeric address.
Pair = tuple[int, str]


class NameWanted(Exception):
    """A host is a name, which must be looked up."""


class LookupResult(NamedTuple):
    """
    The result of a look-up.

    @ivar name: the host name.
    @ivar pairs: its addresses; C{None} if the look-up failed.
    @ivar reason: why it failed.
    """

    name: str
    pairs: tuple[Pair, ...] | None
    reason: str = ""


def numeric(host: str, port: None, *, type: int) -> list[Any]:
    """
    Do the same as getaddrinfo(3), for numeric addresses only: this never blocks.

    @raise NameWanted: if the host is a name.
    @raise OSError: if it is neither an address nor a name.
    @raise UnicodeError: if no host can have such a name.
    """
    try:
        return socket.getaddrinfo(host, port, type=type, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        if _isScoped(host):
            # The interface may appear later.
            return [(socket.AF_INET6, type, 0, "", (host, 0))]
        # RFC 1123, section 2.1: no top-level domain is a number.
        if (
            not host.isprintable()
            or ":" in host
            or host.rstrip(".").rpartition(".")[2].isdigit()
        ):
            raise
    raise NameWanted(host)


def _isScoped(host: str) -> bool:
    """Tell whether a host is a scoped link-local IPv6 address (RFC 4007, 11)."""
    address, scoped, _ = host.partition("%")
    try:
        return bool(scoped) and ipaddress.IPv6Address(address).is_link_local
    except ValueError:
        return False


def pairsOf(found: Iterable[Any]) -> tuple[Pair, ...]:
    """Return the distinct addresses in a result of getaddrinfo(3)."""
    pairs = ((int(family), hostIn(where)) for family, _, _, _, where in found)
    return tuple(dict.fromkeys(pairs))


def inThread(call: Callable[[], None]) -> None:
    """
    Call a function in a thread that Python does not join at exit.

    @raise RuntimeError: if the system has no thread left.
    """
    threading.Thread(target=call, name="host name look-up", daemon=True).start()


class HostNames:
    """
    The addresses of host names, as far as they are known.

    The addresses of a name stay when a later look-up of it fails.
    """

    def __init__(
        self,
        answered: Callable[[], object] = lambda: None,
        *,
        getaddrinfo: Callable[..., list[Any]] = socket.getaddrinfo,
        start: Callable[[Callable[[], None]], None] = inThread,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Start without names.

        @param answered: called in the thread of a look-up that has ended; L{collect}
            must be called then, in the thread of all other calls.
        @param start: calls a function in another thread.
        """
        self._answered = answered
        self._getaddrinfo = getaddrinfo
        self._start = start
        self._clock = clock
        self._found: dict[str, tuple[Pair, ...]] = {}
        self._reasons: dict[str, str] = {}
        self._queued: dict[str, None] = {}
        self._running: dict[str, float] = {}
        self._answers: SimpleQueue[LookupResult] = SimpleQueue()

    def ask(self, names: Iterable[str]) -> None:
        """Look names up, except those that are being looked up."""
        for name in names:
            if name not in self._running:
                self._queued[name] = None
        self._begin()

    def keep(self, names: Iterable[str]) -> None:
        """Forget all names but these."""
        kept = frozenset(names)
        for known in (self._found, self._reasons, self._queued):
            for name in [name for name in known if name not in kept]:
                del known[name]

    def _begin(self) -> None:
        """Start queued look-ups, up to the bounds."""
        while self._queued and self._mayBegin():
            name = next(iter(self._queued))
            del self._queued[name]
            self._running[name] = self._clock()
            try:
                self._start(lambda name=name: self._look(name))  # type: ignore[misc] # mypy infers no type of a default
            except RuntimeError as why:
                self._take(LookupResult(name, None, str(why)))

    def _mayBegin(self) -> bool:
        """Tell whether one more look-up may run."""
        early = self._clock() - OVERDUE
        recent = sum(since > early for since in self._running.values())
        return recent < MOST and len(self._running) < MOST_STUCK

    def _look(self, name: str) -> None:
        """Look a name up, in a thread."""
        try:
            found = self._getaddrinfo(name, None, type=socket.SOCK_STREAM)
            answer = LookupResult(name, pairsOf(found))
        except Exception as why:
            reason = getattr(why, "strerror", None) or str(why) or type(why).__name__
            answer = LookupResult(name, None, reason)
        self._answers.put(answer)
        self._answered()

    def _take(self, answer: LookupResult) -> None:
        self._running.pop(answer.name, None)
        if answer.pairs is None:
            self._reasons[answer.name] = answer.reason
            return
        self._reasons.pop(answer.name, None)
        # A DNS server gives the same addresses in another order each time.
        if set(answer.pairs) != set(self._found.get(answer.name, ())):
            self._found[answer.name] = answer.pairs

    def collect(self) -> dict[str, str]:
        """
        Take the results that have come.

        @return: the names that keep their addresses though a look-up has failed, with
            the reason.
        """
        stale = {}
        while not self._answers.empty():
            answer = self._answers.get()
            self._take(answer)
            if answer.pairs is None and answer.name in self._found:
                stale[answer.name] = answer.reason
        self._begin()
        return stale

    def wait(self, seconds: float) -> None:
        """Block until all look-ups have ended, or some seconds have passed."""
        end = self._clock() + seconds
        while self._running:
            try:
                answer = self._answers.get(timeout=max(end - self._clock(), 0))
            except Empty:
                return
            self._take(answer)
            self._begin()

    def at(self, address: Address) -> Sequence[Address]:
        """Return the numeric addresses of a name; of any other address, itself."""
        if not address.isName:
            return (address,)
        families = {address.family} | ({socket.AF_INET} if address.dual else set())
        return [
            replace(
                address,
                family=family,
                host=host,
                dual=address.dual and host == "::",
                isName=False,
            )
            for family, host in self._found.get(address.host, ())
            if family in families
        ] or (address,)

    def retry(self, address: Address) -> str:
        """
        Look a name up again.

        @return: why its addresses are not known now.
        """
        self.ask((address.host,))
        return self.missing(address)

    def missing(self, address: Address) -> str:
        """Return why the numeric addresses of a name are not known."""
        reason = self._reasons.get(address.host, PENDING)
        if address.host in self._found:
            version = "IPv4" if address.family == socket.AF_INET else "IPv6"
            reason = f"'{address.host}' has no {version} address"
        return f"host name look-up: {reason}"
