# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.activation}."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any

from inetdtw.model.address import Address
from inetdtw.model.service import Service
from inetdtw.serve.slot import Slot
from inetdtw.system import activation
from inetdtw.system.activation import FIRST, Inherited, PassedSocket
from inetdtw.test.fakes import (
    ServingTestCase,
    makeDatagrams,
    makeService,
    makeUnix,
    ofOneLink,
    openDescriptors,
    openedSince,
)

PID = 1234


def at(host: str, port: int, family: int = socket.AF_INET, **given: Any) -> Service:
    """Make a service at an address."""
    dual = given.pop("dual", False)
    return makeService(address=Address(family, host, port, dual), **given)


class InheritedTestCase(ServingTestCase):
    """A test of sockets that this process was started with."""

    def setUp(self) -> None:
        """Start without sockets."""
        super().setUp()
        self.given: list[PassedSocket] = []

    def bound(
        self,
        where: Any = ("127.0.0.1", 0),
        kind: int = socket.SOCK_STREAM,
        *,
        family: int = socket.AF_INET,
        name: str = "unknown",
        listens: bool = True,
        dual: bool = False,
    ) -> Any:
        """
        Make a socket.

        @return: the port, or the path.
        """
        sock = self.closing(socket.socket(family, kind))
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        sock.bind(where)
        if kind != socket.SOCK_DGRAM and listens:
            sock.listen(5)
        self.given.append(PassedSocket(sock.fileno(), name, sock))
        bound = sock.getsockname()
        return bound[1] if isinstance(bound, tuple) else bound

    def assigned(self, *services: Service) -> list[Any]:
        """Return the index of the socket that each service gets, or C{None}."""
        found = Inherited(self.given)
        places = [given.where for given in self.given]
        self.unused = found.assign(services)
        return [self.whose(found, service, places) for service in services]

    def whose(self, found: Inherited, service: Service, places: list[str]) -> Any:
        """Return the index of the socket that a service gets."""
        sock = found.take(service)
        if sock is None:
            return None
        with sock:
            return places.index(PassedSocket(0, "", sock).where)


class AssignTests(InheritedTestCase):
    """Tests for L{Inherited.assign} and L{Inherited.take}."""

    def test_byAddress(self) -> None:
        """A socket is assigned to the service with its address, type and family."""
        port = self.bound()
        other = self.bound(kind=socket.SOCK_DGRAM)
        stream, datagrams = at("127.0.0.1", port), makeDatagrams()
        datagrams = replace(
            datagrams, address=Address(socket.AF_INET, "127.0.0.1", other)
        )
        self.assertEqual(self.assigned(datagrams, stream), [1, 0])
        self.assertEqual(self.unused, [])

    def test_byInterface(self) -> None:
        """Scoped addresses with different scopes are different addresses."""
        mine = ofOneLink()
        host, _, name = mine.host.partition("%")
        where = (host, 0, 0, socket.if_nametoindex(name))
        try:
            port = self.bound(where, socket.SOCK_DGRAM, family=socket.AF_INET6)
        except OSError:
            self.skipTest("no IPv6 here")
        services = [
            makeDatagrams(address=replace(mine, host=each, port=port))
            for each in (f"{host}%{1 << 30}", mine.host)
        ]
        self.assertEqual(self.assigned(*services), [None, 0])

    def test_byPath(self) -> None:
        """A UNIX socket is assigned to the service with its path."""
        path = self.bound(self.mktemp()[-40:].replace("/", "."), family=socket.AF_UNIX)
        self.addCleanup(os.unlink, path)
        self.assertEqual(self.assigned(makeUnix("/other"), makeUnix(path)), [None, 0])

    def test_byName(self) -> None:
        """
        A socket is assigned to the service with its name, at any address.

        If a line makes several services, the name is the common part of theirs.
        """
        self.bound(name="ftp")
        self.bound(name="web")
        services = (
            at("127.0.0.2", 2, name="127.0.0.2:web"),
            at("127.0.0.1", 21, name="ftp"),
        )
        self.assertEqual(self.assigned(*services), [1, 0])

    def test_addressBeforeName(self) -> None:
        """The address of a socket takes precedence over its name."""
        port = self.bound(name="first")
        services = (
            at("127.0.0.1", 1, name="first"),
            at("127.0.0.1", port, name="second"),
        )
        self.assertEqual(self.assigned(*services), [None, 0])

    def test_wildcard(self) -> None:
        """A wildcard socket serves a service with the same port of another family."""
        port = self.bound(("::", 0), family=socket.AF_INET6, dual=True)
        services = at("127.0.0.1", port, name="one"), at("0.0.0.0", port)
        self.assertEqual(self.assigned(*services), [None, 0])

    def test_dual(self) -> None:
        """Which service gets an IPv6 socket depends on C{IPV6_V6ONLY}."""
        port = self.bound(("::", 0), family=socket.AF_INET6)
        services = (
            at("0.0.0.0", port),
            at("::", port, socket.AF_INET6, name="six"),
        )
        self.assertEqual(self.assigned(*services), [None, 0])

    def test_kind(self) -> None:
        """A socket with the right name and the wrong type is not assigned."""
        self.bound(name="it", kind=socket.SOCK_DGRAM)
        self.bound("\0inetdtw-test-kind", name="it", family=socket.AF_UNIX)
        self.assertEqual(self.assigned(at("127.0.0.1", 1, name="it")), [None])

    def test_hostName(self) -> None:
        """No socket is closed before all host names have addresses."""
        port = self.bound()
        known = at("127.0.0.1", port)
        named = replace(known.address, host="it.example", isName=True)
        found = Inherited(self.given)
        self.assertEqual(found.assign([replace(known, address=named)]), [])
        self.assertEqual(found.assign([known]), [])
        sock = found.take(known)
        assert sock is not None
        self.assertEqual(self.closing(sock).getsockname()[1], port)

    def test_unused(self) -> None:
        """A socket that no service uses is closed and returned with the reason."""
        reading, writing = os.pipe()
        for fd in (reading, writing):
            self.addCleanup(os.close, fd)
        port = self.bound(name="nobody")
        self.bound(name="deaf", listens=False)
        self.given.append(PassedSocket(reading, "pipe", None))
        numbers = [given.fd for given in self.given]
        self.assertEqual(self.assigned(at("127.0.0.1", 1, name="deaf")), [None])
        reasons = [(each["fd"], each["name"], each["reason"]) for each in self.unused]
        self.assertEqual(
            reasons,
            [
                (numbers[0], "nobody", "no service has this address or name"),
                (numbers[1], "deaf", "not a listening socket"),
                (numbers[2], "pipe", "not a socket"),
            ],
        )
        self.assertEqual(self.unused[0]["address"], f"127.0.0.1:{port}")
        for fd in numbers[:2]:
            self.assertRaises(OSError, os.fstat, fd)
        os.fstat(reading)

    def test_kept(self) -> None:
        """A socket stays assigned to a service that was removed and comes back."""
        port = self.bound()
        service = at("127.0.0.1", port)
        found = Inherited(self.given)
        found.assign([service])
        self.assertEqual(found.assign([]), [])
        self.assertIsNone(found.take(service))
        found.assign([service])
        again = found.take(service)
        assert again is not None
        with again:
            self.assertEqual(again.getsockname()[1], port)

    def test_muxed(self) -> None:
        """No socket is assigned to a service behind tcpmux."""
        self.bound(name="tcpmux/it")
        muxed = makeService(
            address=Address(socket.AF_UNSPEC, "tcpmux/it"), name="tcpmux/it"
        )
        self.assertEqual(self.assigned(muxed), [None])

    def test_close(self) -> None:
        """C{close} closes all sockets."""
        service = at("127.0.0.1", self.bound())
        found = Inherited(self.given)
        found.assign([service])
        found.close()
        self.assertIsNone(found.take(service))
        self.assertEqual(self.given[0].socket.fileno(), -1)  # type: ignore[union-attr] # it is one


class FromEnvironmentTests(InheritedTestCase):
    """Tests for L{Inherited.fromEnvironment}."""

    def listed(self, **environ: str) -> list[dict[str, object]]:
        """Take sockets from an environment, with descriptors that are not open."""
        self.patch(activation, "FIRST", 1 << 20)
        return Inherited.fromEnvironment(environ, PID).assign([])

    def test_nothing(self) -> None:
        """The environment of another process, or an invalid one, has no sockets."""
        for environ in (
            {},
            {"LISTEN_FDS": "1"},
            {"LISTEN_FDS": "1", "LISTEN_PID": str(PID + 1)},
            {"LISTEN_FDS": "0", "LISTEN_PID": str(PID)},
            {"LISTEN_FDS": "-1", "LISTEN_PID": str(PID)},
            {"LISTEN_FDS": "x", "LISTEN_PID": str(PID)},
            {"LISTEN_FDS": "9" * 40, "LISTEN_PID": str(PID)},
        ):
            self.assertEqual(self.listed(**environ), [])

    def test_families(self) -> None:
        """A socket of another family is closed, with a reason that names it."""
        if not hasattr(socket, "AF_NETLINK"):
            self.skipTest("only Linux has such a socket")
        fd = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach()
        os.set_inheritable(fd, True)
        self.patch(activation, "FIRST", fd)
        environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(PID)}
        (unused,) = Inherited.fromEnvironment(environ, PID).assign([])
        reason = "address family AF_NETLINK is not supported"
        self.assertEqual((unused["address"], unused["reason"]), ("-", reason))
        self.assertRaises(OSError, os.fstat, fd)

    def test_names(self) -> None:
        """
        Each socket has its name, C{unknown} by default.

        A descriptor that is not open is not a socket.
        """
        listed = self.listed(LISTEN_FDS="3", LISTEN_PID=str(PID), LISTEN_FDNAMES="a::")
        self.assertEqual([each["name"] for each in listed], ["a", "unknown", "unknown"])
        self.assertEqual({each["reason"] for each in listed}, {"not a socket"})
        listed = self.listed(LISTEN_FDS="1", LISTEN_PID=str(PID))
        self.assertEqual([each["name"] for each in listed], ["unknown"])

    def test_first(self) -> None:
        """The first descriptor is 3."""
        self.assertEqual(FIRST, 3)

    def test_own(self) -> None:
        """A descriptor with FD_CLOEXEC is not taken."""
        port = self.bound()
        self.patch(activation, "FIRST", self.given[0].fd)
        environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(PID)}
        found = Inherited.fromEnvironment(environ, PID)
        (unused,) = found.assign([at("127.0.0.1", port)])
        self.assertEqual(unused["reason"], "not a socket")
        os.fstat(self.given[0].fd)

    def test_inheritance(self) -> None:
        """The sockets are found by their numbers, and programs do not inherit them."""
        port = self.bound()
        fd = os.dup(self.given[0].fd)
        os.set_inheritable(fd, True)
        self.patch(activation, "FIRST", fd)
        environ = {"LISTEN_FDS": "1", "LISTEN_PID": str(PID)}
        found = Inherited.fromEnvironment(environ, PID)
        self.addCleanup(found.close)
        service = at("127.0.0.1", port)
        self.assertEqual(found.assign([service]), [])
        self.assertFalse(os.get_inheritable(fd))


class InheritedSlotTests(InheritedTestCase):
    """Tests for a service with an inherited socket."""

    def slot(self, service: Service) -> Any:
        """Return a slot of the service that serves."""
        runtime = replace(self.runtime, inherited=Inherited(self.given))
        runtime.inherited.assign([service])
        slot = Slot(service, runtime)
        self.addCleanup(slot.stop)
        slot.bind()
        slot.start()
        return slot

    def test_served(self) -> None:
        """An inherited socket is served without bind(2), and logged."""
        port = self.bound()
        slot = self.slot(at("127.0.0.1", port, internal="echo"))
        self.assertEqual(slot.getHost().port, port)
        self.assertEqual([e["source"] for e in self.logged("listen")], ["LISTEN_FDS"])
        client = self.closing(socket.create_connection(("127.0.0.1", port), 10))
        client.sendall(b"text")
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))

    def test_stopped(self) -> None:
        """An inherited socket still listens when its service has stopped."""
        port = self.bound()
        before = openDescriptors()
        slot = self.slot(at("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port), 10):
            self.reactor.turnUntil(lambda: bool(self.reactor.processes))
        slot.stop()
        (process,) = self.reactor.processes
        self.assertEqual(process.signals, ["KILL"])
        process.close()
        self.assertEqual(openedSince(before), {})
        self.closing(socket.create_connection(("127.0.0.1", port), 10))

    def test_path(self) -> None:
        """The file of an inherited UNIX socket is neither changed nor removed."""
        path = self.bound(self.mktemp()[-40:].replace("/", "."), family=socket.AF_UNIX)
        self.addCleanup(os.unlink, path)
        os.chmod(path, 0o644)
        service = makeUnix(path)
        slot = self.slot(service)
        changed = replace(service, ownership=replace(service.ownership, mode=0o666))
        slot.change(changed)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        slot.stop()
        self.assertTrue(os.path.exists(path))

    def test_backlog(self) -> None:
        """The backlog of an inherited socket is never changed."""
        port = self.bound()
        service = at("127.0.0.1", port, internal="echo")
        slot = self.slot(service)
        asked: list[int] = []
        self.patch(socket.socket, "listen", lambda _, number: asked.append(number))
        slot.change(replace(service, options=replace(service.options, backlog=7)))
        self.assertEqual(asked, [])

    def test_unfit(self) -> None:
        """A socket that cannot be configured is retried with backoff."""
        port = self.bound()
        service = at("127.0.0.1", port)
        options = replace(service.options, acceptFilter="nosuchfilter")
        slot = self.slot(replace(service, options=options))
        self.assertFalse(slot.bound)
        (failed,) = self.logged("bind-failed")
        self.assertIn("nosuchfilter", failed["reason"])
