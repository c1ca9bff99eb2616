# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.service}."""

from __future__ import annotations

import socket
from dataclasses import FrozenInstanceError, fields, replace

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.address import Address, hostIn
from inetdtw.model.errors import Location
from inetdtw.model.process import Login, ProcessContext
from inetdtw.model.service import (
    Bounds,
    EnvironmentSpec,
    Ownership,
    Program,
    Service,
    SocketOptions,
    WarmSpec,
)

FOUR = Address(socket.AF_INET, "127.0.0.1", 7)
SIX = Address(socket.AF_INET6, "::1", 7)
PATH = Address(socket.AF_UNIX, "/run/s")
SERVICE = Service(Location("x", 1), "7/tcp", FOUR, socket.SOCK_STREAM)


class AddressTests(SynchronousTestCase):
    """Tests for L{Address}."""

    def test_text(self) -> None:
        """An address is written as in URLs, and a path as itself."""
        texts = [str(each) for each in (FOUR, SIX, PATH)]
        self.assertEqual(texts, ["127.0.0.1:7", "[::1]:7", "/run/s"])

    def test_forBind(self) -> None:
        """A socket can be bound to an address."""
        with socket.socket() as each:
            each.bind(replace(FOUR, port=0).forBind())
            self.assertEqual(each.getsockname()[0], "127.0.0.1")
        self.assertEqual(SIX.forBind(), ("::1", 7))
        self.assertEqual(PATH.forBind(), "/run/s")

    def test_interface(self) -> None:
        """A link-local address has its interface, by name or number."""
        index, name = socket.if_nameindex()[0]
        where = ("fe80::1", 7, 0, index)
        self.assertEqual(hostIn(where), f"fe80::1%{name}")
        address = Address(socket.AF_INET6, f"fe80::1%{name}", 7)
        self.assertEqual(address.forBind(), where)
        self.assertEqual(str(address), f"[fe80::1%{name}]:7")
        gone = ("ff02::1", 7, 0, max(socket.if_nameindex())[0] + 999)
        self.assertEqual(hostIn(gone), f"ff02::1%{gone[3]}")
        self.assertEqual(Address(socket.AF_INET6, hostIn(gone), 7).forBind(), gone)

    def test_noInterface(self) -> None:
        """Every other address is the same on all interfaces."""
        for where in (("127.0.0.1", 7), ("fe80::1", 7, 0, 0), ("::1", 7, 0, 1)):
            self.assertEqual(hostIn(where), where[0])
        address = Address(socket.AF_INET6, "fe80::1%no/such", 7)
        self.assertRaises(OSError, address.forBind)


class BoundsTests(SynchronousTestCase):
    """Tests for L{Bounds}."""

    def test_none(self) -> None:
        """By default there are no limits."""
        self.assertEqual(Bounds(), Bounds(0, 0, 0, 0))


class ServiceTests(SynchronousTestCase):
    """Tests for L{Service}."""

    def test_key(self) -> None:
        """Services with the same socket have the same key (items 72 and 74)."""
        for same in (
            replace(SERVICE, location=Location("y", 2), name="other"),
            replace(SERVICE, wait=True, internal="echo", launch="direct"),
        ):
            self.assertEqual(same.key, SERVICE.key)

    def test_otherKeys(self) -> None:
        """Services with different sockets have different keys."""
        others = [
            *(replace(SERVICE, address=each) for each in (SIX, PATH)),
            *(replace(SERVICE, address=replace(FOUR, port=8)),),
            *(replace(SERVICE, address=replace(FOUR, host="0.0.0.0")),),
            *(replace(SERVICE, address=replace(FOUR, ordinal=1)),),
            *(replace(SERVICE, address=replace(FOUR, dual=True)),),
            *(replace(SERVICE, socktype=socket.SOCK_DGRAM),),
        ]
        keys = {each.key for each in (SERVICE, *others)}
        self.assertEqual(len(keys), 1 + len(others))

    def test_place(self) -> None:
        """Services are equal when only their locations differ."""
        moved = replace(SERVICE, location=Location("y", 2))
        self.assertEqual(moved, SERVICE)
        self.assertEqual(hash(moved), hash(SERVICE))

    def test_difference(self) -> None:
        """Services with any other difference are not equal."""
        other = Service(
            location=Location("y", 2),
            name="8/udp",
            address=SIX,
            socktype=socket.SOCK_DGRAM,
            wait=True,
            internal="echo",
            program=Program("/bin/sh", (), ("sh",)),
            login=Login("root", "/root", "/bin/sh"),
            context=ProcessContext(nice=1),
            launch="direct",
            bounds=Bounds(1),
            options=SocketOptions(1),
            ownership=Ownership(1),
            stderr="log",
            greets=True,
            variables=EnvironmentSpec((), ()),
            refusal=b"busy",
            warm=WarmSpec("", ("python3",), 0, "", ("x.py",)),
        )
        for field in fields(Service):
            if field.name != "location":
                changed = {field.name: getattr(other, field.name)}
                self.assertNotEqual(replace(SERVICE, **changed), SERVICE, field.name)

    def test_frozen(self) -> None:
        """A service cannot be changed."""
        with self.assertRaises(FrozenInstanceError):
            SERVICE.wait = True  # type: ignore[misc] # it is the test

    def test_isPortless(self) -> None:
        """A service behind tcpmux has its name as its address."""
        behind = Address(socket.AF_UNSPEC, "tcpmux/name")
        self.assertTrue(replace(SERVICE, address=behind).isPortless)
        self.assertEqual(str(behind), "tcpmux/name")
        self.assertFalse(SERVICE.isPortless)

    def test_isStream(self) -> None:
        """All socket types except C{dgram} are connection-oriented."""
        for socktype, stream in (
            (socket.SOCK_STREAM, True),
            (socket.SOCK_SEQPACKET, True),
            (socket.SOCK_DGRAM, False),
        ):
            self.assertEqual(replace(SERVICE, socktype=socktype).isStream, stream)
