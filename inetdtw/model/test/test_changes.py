# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.changes}."""

from __future__ import annotations

import socket
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.address import Address
from inetdtw.model.changes import Changes, diff
from inetdtw.model.errors import Location
from inetdtw.model.service import Key, Service


def service(port: int, *, line: int = 1, internal: str = "echo") -> Service:
    """Return a service on a port."""
    address = Address(socket.AF_INET, "0.0.0.0", port)
    location = Location("x", line)
    return Service(
        location, f"{port}/tcp", address, socket.SOCK_STREAM, False, internal
    )


def byKey(*services: Service) -> dict[Key, Service]:
    """Services by their keys."""
    return {each.key: each for each in services}


class DiffTests(SynchronousTestCase):
    """Tests for L{diff}."""

    def test_nothing(self) -> None:
        """Two empty configurations have no difference."""
        self.assertEqual(diff({}, {}), Changes((), (), (), ()))

    def test_start(self) -> None:
        """All services of a first configuration are started, in order."""
        new = (service(9), service(7), service(8))
        self.assertEqual(diff({}, byKey(*new)), Changes((), (), new, ()))

    def test_stop(self) -> None:
        """A service that was removed is stopped (item 73)."""
        old = (service(9), service(7))
        self.assertEqual(diff(byKey(*old), {}), Changes((), (), (), old))

    def test_keep(self) -> None:
        """A service is kept when only its location changes (item 72)."""
        old, new = service(7), service(7, line=2)
        found = diff(byKey(old), byKey(new))
        self.assertEqual(found, Changes((new,), (), (), ()))
        self.assertEqual(found.keep[0].location.line, 2)

    def test_change(self) -> None:
        """A different service on the same socket is a change (item 74)."""
        old, new = service(7), service(7, internal="discard")
        found = diff(byKey(old), byKey(new))
        self.assertEqual(found, Changes((), (new,), (), ()))
        self.assertEqual(found.change[0].internal, "discard")

    def test_wait(self) -> None:
        """A change of the wait field keeps the socket (item 76)."""
        old = service(7)
        new = replace(old, wait=True)
        self.assertEqual(diff(byKey(old), byKey(new)), Changes((), (new,), (), ()))

    def test_move(self) -> None:
        """Another port is another service: one stops and one starts (item 73)."""
        old, new = service(7), service(8)
        found = diff(byKey(old), byKey(new))
        self.assertEqual(found, Changes((), (), (new,), (old,)))

    def test_everything(self) -> None:
        """Every service is in exactly one of the four groups."""
        old = [service(port) for port in (1, 2, 3, 4)]
        new = [service(4), service(5), service(3, internal="time"), service(1)]
        found = diff(byKey(*old), byKey(*new))
        ports = [
            [each.address.port for each in part]
            for part in (found.keep, found.change, found.start, found.stop)
        ]
        self.assertEqual(ports, [[4, 1], [3], [5], [2]])
