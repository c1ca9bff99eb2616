# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.sockets}."""

from __future__ import annotations

import socket

from inetdtw.config import sockets
from inetdtw.model.address import Address
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Ownership
from inetdtw.test.configcase import (
    ALPINE,
    ROOT,
    SH,
    ResolveCase,
    addressesOf,
    resolved,
    serviceOf,
)


class ProtocolTests(ResolveCase):
    """Tests for protocols, families and addresses."""

    def test_families(self) -> None:
        """The protocol tcp is IPv4, tcp6 is IPv6, and tcp46 is both (item 23)."""
        for suffix, family, host, dual in (
            ("", socket.AF_INET, "0.0.0.0", False),
            ("4", socket.AF_INET, "0.0.0.0", False),
            ("6", socket.AF_INET6, "::", False),
            ("6only", socket.AF_INET6, "::", False),
            ("46", socket.AF_INET6, "::", True),
        ):
            for base, socktype in (("tcp", "stream"), ("udp", "dgram")):
                line = f"7 {socktype} {base}{suffix} nowait {SH}"
                wanted = Address(family, host, 7, dual)
                self.assertEqual(serviceOf(line).address, wanted, line)

    def test_mismatch(self) -> None:
        """A socket type that the protocol does not have is an error (item 24)."""
        line = f"7 stream udp nowait {SH}"
        reason = "'stream' must be dgram for udp"
        self.assertProblem(line, 3, "socktype", reason)
        line = f"7 dgram tcp6 nowait {SH}"
        reason = "'dgram' must be stream for tcp"
        self.assertProblem(line, 3, "socktype", reason)
        line = f"7 seqpacket tcp nowait {SH}"
        self.assertProblem(line, 3, "socktype", "'seqpacket' must be stream for tcp")

    def test_implied(self) -> None:
        """The type of the socket may be left out."""
        types = [
            serviceOf(f"{service} on protocol={protocol}, args=echo;").socktype
            for service, protocol in (("7", "tcp"), ("7", "udp6"), ("/s", "unix"))
        ]
        wanted = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM]
        self.assertEqual(types, wanted)

    def test_address(self) -> None:
        """A service listens on its address only (items 4 to 6)."""
        rest = f"nowait {SH}"
        self.assertEqual(addressesOf(f"127.0.0.1:7 stream tcp {rest}"), ["127.0.0.1:7"])
        self.assertEqual(addressesOf(f"[::1]:7 stream tcp6 {rest}"), ["[::1]:7"])
        self.assertEqual(
            addressesOf(f"127.0.0.1,127.0.0.2:7 stream tcp {rest}"),
            ["127.0.0.1:7", "127.0.0.2:7"],
        )
        self.assertEqual(addressesOf(f"*:7 stream tcp {rest}"), ["0.0.0.0:7"])

    def test_numericFamily(self) -> None:
        """An IPv6 address makes plain tcp and udp IPv6."""
        for line in (f"[::1]:7 stream tcp nowait {SH}", f"[::1]:7 dgram udp wait {SH}"):
            self.assertEqual(addressesOf(line), ["[::1]:7"])
        line = f"[::1]:7 stream tcp4 nowait {SH}"
        self.assertProblem(line, 1, "bind", "'::1' has no IPv4 address")
        line = f"six,127.0.0.1:7 stream tcp6 nowait {SH}"
        self.assertProblem(line, 1, "bind", "'127.0.0.1' has no IPv6 address")

    def test_hostNames(self) -> None:
        """A name has a socket for each of its addresses (item 6)."""
        for protocol, wanted in (
            ("tcp", ["192.0.2.4:7", "192.0.2.5:7"]),
            ("tcp6", ["[2001:db8::6]:7"]),
            ("tcp46", ["192.0.2.4:7", "192.0.2.5:7", "[2001:db8::6]:7"]),
        ):
            line = f"many:7 stream {protocol} nowait {SH}"
            self.assertEqual(addressesOf(line), wanted)
        self.assertProblem(f"six:7 stream tcp nowait {SH}", 1, "bind", "no IPv4")
        line = f"nowhere:7 stream tcp nowait {SH}"
        self.assertProblem(line, 1, "bind", "'nowhere': Name or service not known")

    def test_sameAddresses(self) -> None:
        """An address that several host names have is one socket."""
        line = f"many,four,192.0.2.5:7 stream tcp nowait {SH}"
        self.assertEqual(addressesOf(line), ["192.0.2.4:7", "192.0.2.5:7"])

    def test_wideAddress(self) -> None:
        """With tcp46, the address :: accepts IPv4 too (item 23)."""
        address = serviceOf(f"[::]:7 stream tcp46 nowait {SH}").address
        self.assertEqual(address, Address(socket.AF_INET6, "::", 7, True))
        address = serviceOf(f"[::]:7 stream tcp6 nowait {SH}").address
        self.assertEqual(address, Address(socket.AF_INET6, "::", 7, False))

    def test_names(self) -> None:
        """A name of services(5) is its port, and an alias the same (item 2)."""
        for name in ("http", "www"):
            address = serviceOf(f"{name} stream tcp nowait {SH}").address
            self.assertEqual(address.port, 80)

    def test_unknownService(self) -> None:
        """A service that does not exist is an error at its name (item 3)."""
        line = f"localhost:nosuch stream tcp nowait {SH}"
        problem = self.assertRaises(ConfError, resolved, line)
        self.assertEqual(problem.field, "service")
        self.assertIn("'nosuch/tcp' is not in services(5)", problem.reason)
        self.assertProblem(f"tftp stream tcp nowait {SH}", 1, "service", "'tftp/tcp'")

    def test_badPort(self) -> None:
        """A number that is not a port is an error."""
        line = f"65536 stream tcp nowait {SH}"
        self.assertProblem(line, 1, "service", "not a port from 0 to 65535")


class AcceptFilterTests(ResolveCase):
    """Tests for accept filters."""

    def test_filters(self) -> None:
        """Linux supports two filters; on other systems any name is accepted."""
        line = f"7 stream:{{}} tcp nowait {SH}"
        for name in ("dataready", "httpready"):
            service = serviceOf(line.format(name))
            self.assertEqual(service.options.acceptFilter, name)
        self.patch(sockets, "FILTERS", ("dataready", "httpready"))
        reason = "'dnsready' is not an accept filter (dataready, httpready)"
        self.assertProblem(line.format("dnsready"), 10, "acceptfilter", reason)
        self.patch(sockets, "FILTERS", None)
        service = serviceOf(line.format("dnsready"))
        self.assertEqual(service.options.acceptFilter, "dnsready")

    def test_notTCP(self) -> None:
        """An accept filter for another protocol than TCP is an error."""
        for line, column in (
            (f"7 dgram:dataready udp wait {SH}", 9),
            (f"/s stream:dataready unix nowait {SH}", 11),
        ):
            self.assertProblem(line, column, "acceptfilter", "is only for tcp")


class UnixTests(ResolveCase):
    """Tests for UNIX sockets."""

    def test_path(self) -> None:
        """A path is a UNIX socket for its owner alone (item 19)."""
        service = serviceOf(f"/run/s stream unix nowait {SH}")
        self.assertEqual(service.address, Address(socket.AF_UNIX, "/run/s"))
        self.assertEqual(service.ownership, Ownership(-1, -1, 0o600))

    def test_types(self) -> None:
        """A UNIX socket may be of any type (item 19)."""
        types = [
            serviceOf(f"/s {name} unix nowait {SH}").socktype
            for name in ("stream", "dgram", "seqpacket")
        ]
        self.assertEqual(
            types, [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]
        )

    def test_ownership(self) -> None:
        """The owner, the group and the permissions are optional (item 20)."""
        rest = f"stream unix nowait {SH}"
        for prefix, wanted in (
            (":nobody:nogroup:0660:", Ownership(65534, 65534, 0o660)),
            (":::0666:", Ownership(-1, -1, 0o666)),
            (":beth:::", Ownership(1001, -1, 0o600)),
            ("::mail::", Ownership(-1, 8, 0o600)),
        ):
            self.assertEqual(serviceOf(f"{prefix}/s {rest}").ownership, wanted)

    def test_unknownOwner(self) -> None:
        """An unknown owner or group is an error at its location (item 18)."""
        rest = f"stream unix nowait {SH}"
        self.assertProblem(
            f":carl:mail::/s {rest}", 2, "socket_user", "unknown user 'carl'"
        )
        self.assertProblem(
            f":beth:crew::/s {rest}", 7, "socket_group", "unknown group 'crew'"
        )

    def test_longPath(self) -> None:
        """A path that is too long for sockaddr_un is an error at its location."""
        for path, good in (
            ("/" + "x" * 102, True),
            ("/" + "x" * 107, False),
            ("/" + "\u00e9" * 60, False),
        ):
            line = f"{path} stream unix nowait {SH}"
            if good:
                self.assertEqual(serviceOf(line).address.host, path)
            else:
                self.assertProblem(
                    line, 1, "service", "bytes fit into a socket address"
                )

    def test_othersOwner(self) -> None:
        """An owner that the daemon's user cannot set draws a warning."""
        for prefix, fields in (
            (":alpine:mail:0660:", []),
            (":::0660:", []),
            (":root::0660:", ["socket_user"]),
            ("::daemon::", ["socket_group"]),
            (":root:daemon::", ["socket_user", "socket_group"]),
        ):
            line = f"{prefix}/s stream unix nowait {SH}"
            warnings = resolved(line, ALPINE).warnings
            self.assertEqual([each.field for each in warnings], fields, prefix)
            self.assertEqual(resolved(line, ROOT).warnings, ())
            for each in warnings:
                self.assertIn("root", each.reason)

    def test_notUnix(self) -> None:
        """Ownership is only for UNIX sockets."""
        text = "7 on protocol=tcp, args=echo, socket_mode=0660;"
        self.assertProblem(text, 43, "socket_mode", "is only for UNIX sockets")

    def test_protocol(self) -> None:
        """A path needs the protocol unix, and unix a path."""
        reason = "'tcp' must be 'unix' for a path"
        self.assertProblem(f"/s stream tcp nowait {SH}", 11, "protocol", reason)
        for name in ("7", "./x.sock", "x.sock"):
            reason = f"'{name}' is not an absolute path; a UNIX socket needs one"
            line = f"{name} stream unix nowait {SH}"
            self.assertProblem(line, 1, "service", reason)

    def test_impliedProtocol(self) -> None:
        """The protocol of a path may be left out."""
        service = serviceOf("/s on args=echo;")
        self.assertEqual(service.address.family, socket.AF_UNIX)
