# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.hostnames}."""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.address import Address
from inetdtw.system.hostnames import (
    MOST,
    MOST_STUCK,
    OVERDUE,
    PENDING,
    HostNames,
    NameWanted,
    inThread,
    numeric,
)
from inetdtw.test.fakelookups import getaddrinfo

FOUR, SIX = socket.AF_INET, socket.AF_INET6


class NumericTests(SynchronousTestCase):
    """Tests for L{numeric}."""

    def hosts(self, host: str) -> list[str]:
        """Return the addresses of a host."""
        found = numeric(host, None, type=socket.SOCK_STREAM)
        return [where[0] for _, _, _, _, where in found]

    def test_addresses(self) -> None:
        """A numeric address is itself, also with a scope that does not exist yet."""
        for host in ("127.0.0.1", "::1", "fe80::1%nosuch0"):
            self.assertEqual(self.hosts(host), [host])

    def test_names(self) -> None:
        """A name must be looked up, also one in hosts(5)."""
        for host in ("localhost", "a.example", "a.example.", "1.2.3.a4"):
            self.assertRaises(NameWanted, self.hosts, host)

    def test_neither(self) -> None:
        """A string that is neither an address nor a name is an error."""
        for host in (
            "1.2.3.4.5",
            "300.1.1.1",
            "1.2.3.300.",
            "::1::",
            "2001::1%nosuch0",
            "a\0",
        ):
            self.assertRaises(OSError, self.hosts, host)
        self.assertRaises(UnicodeError, self.hosts, "a" * 64)


class HostNamesTests(SynchronousTestCase):
    """Tests for L{HostNames}."""

    def setUp(self) -> None:
        """Make look-ups that end when the test ends them."""
        self.now = 0.0
        self.answers = 0
        self.threads: list[Callable[[], None]] = []
        self.failure: Exception | None = None
        self.names = HostNames(
            self.answered,
            getaddrinfo=self.getaddrinfo,
            start=self.threads.append,
            clock=lambda: self.now,
        )

    def answered(self) -> None:
        """Count the answers."""
        self.answers += 1

    def getaddrinfo(self, *arguments: Any, **keywords: Any) -> list[Any]:
        """Fake the look-up."""
        if self.failure is not None:
            raise self.failure
        return getaddrinfo(*arguments, **keywords)

    def end(self) -> dict[str, str]:
        """End all look-ups."""
        while self.threads:
            self.threads.pop(0)()
        return self.names.collect()

    def at(self, host: str, family: int = FOUR, dual: bool = False) -> list[str]:
        """Return the addresses of a name."""
        address = Address(family, host, 7, dual, isName=True)
        return [str(each) for each in self.names.at(address)]

    def missing(self, host: str, family: int = FOUR) -> str:
        """Return why a name has no addresses."""
        return self.names.missing(Address(family, host, 7, isName=True))

    def test_found(self) -> None:
        """A name has its addresses of a family once the look-up has ended."""
        self.names.ask(["many"])
        self.assertEqual(self.at("many"), ["many:7"])
        self.assertEqual(self.end(), {})
        self.assertEqual(self.answers, 1)
        four = ["192.0.2.4:7", "192.0.2.5:7"]
        self.assertEqual(self.at("many"), four)
        self.assertEqual(self.at("many", SIX), ["[2001:db8::6]:7"])
        self.assertEqual(self.at("many", SIX, True), [*four, "[2001:db8::6]:7"])

    def test_numeric(self) -> None:
        """A numeric address needs no look-up."""
        address = Address(FOUR, "192.0.2.1", 7)
        self.assertEqual(self.names.at(address), (address,))

    def test_once(self) -> None:
        """A name that is being looked up is not looked up a second time meanwhile."""
        self.names.ask(["four", "four"])
        address = Address(FOUR, "four", 7, isName=True)
        reason = f"host name look-up: {PENDING}"
        self.assertEqual(self.names.retry(address), reason)
        self.assertEqual(len(self.threads), 1)
        self.end()
        self.names.ask(["four"])
        self.assertEqual(len(self.threads), 1)

    def test_failed(self) -> None:
        """The reason of a look-up that failed is known, for any exception."""
        for failure, reason in (
            (socket.gaierror(-2, "Name or service not known"), None),
            (UnicodeError("label too long"), None),
            (ZeroDivisionError(), "ZeroDivisionError"),
        ):
            self.failure = failure
            self.names.ask(["four"])
            self.assertEqual(self.end(), {})
            wanted = reason or getattr(failure, "strerror", None) or str(failure)
            self.assertEqual(self.missing("four"), f"host name look-up: {wanted}")
            self.assertEqual(self.at("four"), ["four:7"])

    def test_otherFamily(self) -> None:
        """The reason for a name without an address of a family names both."""
        self.names.ask(["four", "six"])
        self.end()
        for host, family, version in (("four", SIX, "IPv6"), ("six", FOUR, "IPv4")):
            self.assertEqual(self.at(host, family), [f"{host}:7"])
            reason = f"host name look-up: '{host}' has no {version} address"
            self.assertEqual(self.missing(host, family), reason)

    def test_stale(self) -> None:
        """A name keeps its addresses when a later look-up fails."""
        self.names.ask(["four"])
        self.end()
        self.failure = OSError(11, "no DNS")
        self.names.ask(["four"])
        self.assertEqual(self.end(), {"four": "no DNS"})
        self.assertEqual(self.at("four"), ["192.0.2.4:7"])

    def test_order(self) -> None:
        """The same addresses in another order change nothing; others do."""
        found = [[1, 2], [2, 1], [3]]

        def turning(*_: object, **__: object) -> list[Any]:
            hosts = [f"192.0.2.{each}" for each in found.pop(0)]
            return [(FOUR, 1, 6, "", (host, 0)) for host in hosts]

        self.patch(self, "getaddrinfo", turning)
        names = HostNames(getaddrinfo=turning, start=self.threads.append)
        self.patch(self, "names", names)
        for wanted in (["192.0.2.1:7", "192.0.2.2:7"],) * 2 + (["192.0.2.3:7"],):
            names.ask(["turning"])
            self.end()
            self.assertEqual(self.at("turning"), wanted)

    def test_most(self) -> None:
        """The number of look-ups is bounded, and those that are stuck also are."""
        self.names.ask(f"n{index}" for index in range(200))
        self.assertEqual(len(self.threads), MOST)
        self.threads.pop()()
        self.names.collect()
        self.assertEqual(len(self.threads), MOST)
        for _ in range(10):
            self.now += OVERDUE
            self.names.collect()
        self.assertEqual(len(self.threads), MOST_STUCK)
        for _ in range(20):
            self.end()
        self.assertEqual(self.threads, [])

    def test_noThread(self) -> None:
        """If no thread can be started, that is the reason."""

        def start(call: object) -> None:
            raise RuntimeError("can't start new thread")

        names = HostNames(start=start)
        names.ask(["four", "six"])
        names.wait(30.0)
        address = Address(FOUR, "six", 7, isName=True)
        reason = "host name look-up: can't start new thread"
        self.assertEqual(names.missing(address), reason)

    def test_keep(self) -> None:
        """Names that are no longer used are dropped."""
        self.names.ask(["four", "many"])
        self.end()
        self.names.keep(["many"])
        self.assertEqual(self.at("four"), ["four:7"])
        self.assertEqual(len(self.at("many")), 2)

    def test_wait(self) -> None:
        """C{wait} blocks until the look-ups end, or until a timeout."""
        stuck = threading.Event()

        def slow(host: str, *arguments: Any, **keywords: Any) -> list[Any]:
            if host == "six":
                stuck.wait()
            return getaddrinfo(host, *arguments, **keywords)

        names = HostNames(getaddrinfo=slow, start=inThread)
        names.ask(["four"])
        names.wait(30.0)
        address = Address(FOUR, "four", 7, isName=True)
        self.assertEqual(str(names.at(address)[0]), "192.0.2.4:7")
        names.ask(["six"])
        names.wait(0.0)
        stuck.set()
        names.wait(30.0)
        address = Address(SIX, "six", 7, isName=True)
        self.assertEqual(str(names.at(address)[0]), "[2001:db8::6]:7")
