# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.resolve}.
"""

from __future__ import annotations

import os
import resource
import socket
import sys
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from inetdtw import builtin, values
from inetdtw.conf import Duplicate, Warned, parse
from inetdtw.entry import KEYS, Entry
from inetdtw.lookups import Lookups
from inetdtw.place import ConfError, Place
from inetdtw.resolve import Resolved, distinct, resolve, unreachable
from inetdtw.service import (
    Address,
    Bounds,
    Context,
    Identity,
    Login,
    Ownership,
    Program,
    Service,
    Settings,
    SocketOptions,
    Variables,
)
from inetdtw.test.system import lookups

ROOT = lookups()
ALPINE = lookups(uid=1000, gid=1000)
#: A program that is on every system.
SH = "- /bin/sh sh"
PLAIN = Settings()


def resolved(
    text: str, ask: Lookups = ROOT, settings: Settings = PLAIN, file: str = "/etc/x"
) -> Resolved:
    """
    What the one statement of a text comes to.
    """
    (entry,) = parse(text, file)
    assert isinstance(entry, Entry), entry
    return resolve(entry, settings, ask)


def servicesOf(
    text: str, ask: Lookups = ROOT, settings: Settings = PLAIN
) -> tuple[Service, ...]:
    """
    The services of an entry.
    """
    return resolved(text, ask, settings).services


def serviceOf(text: str, ask: Lookups = ROOT, settings: Settings = PLAIN) -> Service:
    """
    The only service of an entry.
    """
    (service,) = servicesOf(text, ask, settings)
    return service


def addressesOf(text: str) -> list[str]:
    """
    Where the services of an entry listen.
    """
    return [str(each.address) for each in servicesOf(text)]


class ResolveCase(SynchronousTestCase):
    """
    A test for entries that cannot be served.
    """

    def assertProblem(
        self, text: str, column: int, field: str, reason: str, ask: Lookups = ROOT
    ) -> None:
        """
        An entry has a mistake in this column and field.
        """
        problem = self.assertRaises(ConfError, resolved, text, ask)
        self.assertEqual(problem.place, Place("/etc/x", 1, column), problem)
        self.assertEqual(problem.field, field)
        self.assertIn(reason, problem.reason)


class ServiceTests(ResolveCase):
    """
    Tests for what an entry comes to as a whole.
    """

    def test_positional(self) -> None:
        """
        A line comes to numbers and absolute paths (item 1).
        """
        service = serviceOf("7007 stream tcp nowait alpine /bin/sh sh -x")
        wanted = Service(
            place=Place("/etc/x", 1),
            name="7007/tcp",
            address=Address(socket.AF_INET, "0.0.0.0", 7007),
            socktype=socket.SOCK_STREAM,
            program=Program("/bin/sh", (), ("sh", "-x")),
            login=Login("alpine", "/home/alpine", "/bin/ash"),
            context=Context(Identity(1000, 1000, (8, 100, 1000))),
        )
        self.assertEqual(service, wanted)
        self.assertEqual(service.place, wanted.place)

    def test_bothForms(self) -> None:
        """
        Both forms come to equal services (item 27).
        """
        self.assertEqual(
            servicesOf(f"localhost:echo dgram udp wait {SH}"),
            servicesOf(
                "echo on bind=localhost, protocol=udp, wait=yes, user=-, "
                "exec=/bin/sh, args=sh;"
            ),
        )

    def test_off(self) -> None:
        """
        What is off comes to no services, and its mistakes are found (item 28).
        """
        keys = "protocol=tcp, args=echo"
        self.assertEqual(servicesOf(f"7 off {keys};"), ())
        self.assertProblem(f"nosuch off {keys};", 1, "service", "services(5)")
        self.assertProblem(f"7 off bind=nowhere, {keys};", 12, "bind", "not known")
        self.assertProblem("7 off protocol=udp, exec=x;", 1, "wait", "must be given")

    def test_name(self) -> None:
        """
        A service is called what it says, or by its name and protocol.
        """
        self.assertEqual(serviceOf(f"echo stream tcp46 nowait {SH}").name, "echo/tcp")
        self.assertEqual(serviceOf("7 on protocol=udp, args=echo;").name, "7/udp")
        self.assertEqual(serviceOf("7 on protocol=udp,args=echo,id=e;").name, "e")
        self.assertEqual(serviceOf(f"/s stream unix nowait {SH}").name, "/s/unix")

    def test_namesOfSeveral(self) -> None:
        """
        With several addresses each service is called by its own.
        """
        names = [each.name for each in servicesOf("*,[::1]:7 stream tcp wait - x")]
        self.assertEqual(names, ["0.0.0.0:7/tcp", "[::1]:7/tcp"])

    def test_settings(self) -> None:
        """
        Settings hold where the entry does not say otherwise.
        """
        settings = Settings(9, Bounds(1, 2, 3, 4), "direct")
        service = serviceOf(f"7 stream tcp nowait {SH}", ROOT, settings)
        self.assertEqual(service.bounds, Bounds(1, 2, 3, 4))
        self.assertEqual(service.options, SocketOptions(9))
        self.assertEqual(service.launch, "direct")

    def test_ownSettings(self) -> None:
        """
        What the entry says comes before settings, zeros too (item 15).
        """
        settings = Settings(9, Bounds(1, 2, 3, 4), "direct")
        service = serviceOf(
            "7 on protocol=tcp, args=echo, accept_max=5, service_max=6, ip_max=0, "
            "per_source=8, backlog=0, launch=forkserver;",
            ROOT,
            settings,
        )
        self.assertEqual(service.bounds, Bounds(5, 6, 0, 8))
        self.assertEqual(service.options.backlog, 0)
        self.assertEqual(service.launch, "forkserver")

    def test_options(self) -> None:
        """
        Sizes of buffers and an accept filter are the socket's (item 31).
        """
        service = serviceOf(f"7 stream:f tcp,sndbuf=64k,rcvbuf=1m nowait {SH}")
        self.assertEqual(service.options, SocketOptions(128, 65536, 1 << 20, "f"))

    def test_fields(self) -> None:
        """
        A definition needs a protocol, wait and a user, and says so.
        """
        exe = "exec=/bin/sh"
        self.assertProblem(f"7 on {exe};", 1, "protocol", "must be given")
        self.assertProblem(f"7 on protocol=tcp, {exe};", 1, "wait", "yes or no")
        text = f"7 on protocol=tcp, wait=no, {exe};"
        self.assertProblem(text, 1, "user", "must be given; - is whoever runs")

    def test_variables(self) -> None:
        """
        C{env} and C{passenv} are the service's, in their order, an empty one too.
        """
        text = (
            "7 on protocol=tcp, wait=no, user=-, exec=sh, "
            "env = A=1 'B=x=y z' C=, passenv = LANG PATH;"
        )
        wanted = Variables((("A", "1"), ("B", "x=y z"), ("C", "")), ("LANG", "PATH"))
        self.assertEqual(serviceOf(text).variables, wanted)
        none = "7 on protocol=tcp, args=echo, passenv = ;"
        self.assertEqual(serviceOf(none).variables, Variables(passed=()))
        self.assertEqual(serviceOf("7 on protocol=tcp;").variables, Variables())

    def test_badVariables(self) -> None:
        """
        A variable without an equals sign, without a name or with a NUL is refused.
        """
        for word in ("A", "=1", "'A=\\x00'"):
            (problem,) = parse(f"7 on protocol=tcp, env={word};")
            assert isinstance(problem, ConfError), word
            self.assertEqual((problem.field, problem.place.column), ("env", 24))

    def test_stderr(self) -> None:
        """
        Standard error is the client's, unless the line says otherwise.
        """
        self.assertEqual(serviceOf("7 on protocol=tcp;").stderr, "socket")
        text = "7 on protocol=tcp, stderr=log;"
        self.assertEqual(serviceOf(text).stderr, "log")

    def test_flags(self) -> None:
        """
        The flags of connections are for TCP only.
        """
        text = "7 on protocol=tcp, nodelay=yes, keepalive=yes;"
        wanted = SocketOptions(noDelay=True, keepAlive=True)
        self.assertEqual(serviceOf(text).options, wanted)
        for key in ("nodelay", "keepalive"):
            text = f"7 on protocol=udp, {key}=yes;"
            self.assertProblem(text, text.index("yes") + 1, key, "is only for tcp")
            serviceOf(f"7 on protocol=udp, {key}=no;")

    def test_settingsBind(self) -> None:
        """
        The address of the command line holds for lines that give none, and a line's
        own address, or that of a line above, holds against it; a path has none.
        """
        settings = Settings(bind=("192.0.2.4",))

        def hosts(text: str) -> list[str]:
            *_, entry = parse(text)
            assert isinstance(entry, Entry), entry
            found = resolve(entry, settings, ROOT).services
            return [each.address.host for each in found]

        echo = "stream tcp nowait root internal echo"
        self.assertEqual(hosts(f"7 {echo}"), ["192.0.2.4"])
        self.assertEqual(hosts(f"127.0.0.1:7 {echo}"), ["127.0.0.1"])
        self.assertEqual(hosts(f"*:\n7 {echo}"), ["0.0.0.0"])
        unix = "/s stream unix nowait root internal echo"
        self.assertEqual(hosts(unix), ["/s"])


class ProtocolTests(ResolveCase):
    """
    Tests for protocols, families and addresses.
    """

    def test_families(self) -> None:
        """
        tcp and udp are IPv4, 6 is IPv6 alone, and 46 is both (item 23).
        """
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
        """
        A type of socket that does not go with the protocol is told with the one that
        does (item 24).
        """
        line = f"7 stream udp nowait {SH}"
        reason = "'stream' does not go with udp, dgram would"
        self.assertProblem(line, 3, "socktype", reason)
        line = f"7 dgram tcp6 nowait {SH}"
        reason = "'dgram' does not go with tcp, stream would"
        self.assertProblem(line, 3, "socktype", reason)
        line = f"7 seqpacket tcp nowait {SH}"
        self.assertProblem(line, 3, "socktype", "'seqpacket' does not go with tcp")

    def test_implied(self) -> None:
        """
        The type of the socket may be left out.
        """
        types = [
            serviceOf(f"{service} on protocol={protocol}, args=echo;").socktype
            for service, protocol in (("7", "tcp"), ("7", "udp6"), ("/s", "unix"))
        ]
        wanted = [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_STREAM]
        self.assertEqual(types, wanted)

    def test_address(self) -> None:
        """
        An address is where the service listens, and nowhere else (items 4 to 6).
        """
        rest = f"nowait {SH}"
        self.assertEqual(addressesOf(f"127.0.0.1:7 stream tcp {rest}"), ["127.0.0.1:7"])
        self.assertEqual(addressesOf(f"[::1]:7 stream tcp6 {rest}"), ["[::1]:7"])
        self.assertEqual(
            addressesOf(f"127.0.0.1,127.0.0.2:7 stream tcp {rest}"),
            ["127.0.0.1:7", "127.0.0.2:7"],
        )
        self.assertEqual(addressesOf(f"*:7 stream tcp {rest}"), ["0.0.0.0:7"])

    def test_numericFamily(self) -> None:
        """
        An address of IPv6 is one of plain tcp and udp too.
        """
        for line in (f"[::1]:7 stream tcp nowait {SH}", f"[::1]:7 dgram udp wait {SH}"):
            self.assertEqual(addressesOf(line), ["[::1]:7"])
        line = f"[::1]:7 stream tcp4 nowait {SH}"
        self.assertProblem(line, 1, "bind", "'::1' has no IPv4 address")
        line = f"six,127.0.0.1:7 stream tcp6 nowait {SH}"
        self.assertProblem(line, 1, "bind", "'127.0.0.1' has no IPv6 address")

    def test_hostNames(self) -> None:
        """
        A name is each of its addresses in the protocol's families, with a socket for
        each (item 6).
        """
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
        """
        An address that several names have is one socket.
        """
        line = f"many,four,192.0.2.5:7 stream tcp nowait {SH}"
        self.assertEqual(addressesOf(line), ["192.0.2.4:7", "192.0.2.5:7"])

    def test_wideAddress(self) -> None:
        """
        The address of all of IPv6 takes IPv4 too, if both are asked for (item 23).
        """
        address = serviceOf(f"[::]:7 stream tcp46 nowait {SH}").address
        self.assertEqual(address, Address(socket.AF_INET6, "::", 7, True))
        address = serviceOf(f"[::]:7 stream tcp6 nowait {SH}").address
        self.assertEqual(address, Address(socket.AF_INET6, "::", 7, False))

    def test_names(self) -> None:
        """
        A name of services(5) is its port, and an alias the same (item 2).
        """
        for name in ("http", "www"):
            address = serviceOf(f"{name} stream tcp nowait {SH}").address
            self.assertEqual(address.port, 80)

    def test_unknownService(self) -> None:
        """
        A service that does not exist is an error at its name (item 3).
        """
        line = f"localhost:nosuch stream tcp nowait {SH}"
        problem = self.assertRaises(ConfError, resolved, line)
        self.assertEqual(problem.field, "service")
        self.assertIn("'nosuch' over tcp is not in services(5)", problem.reason)
        self.assertProblem(f"tftp stream tcp nowait {SH}", 1, "service", "over tcp")

    def test_badPort(self) -> None:
        """
        A number that is no port is an error.
        """
        line = f"65536 stream tcp nowait {SH}"
        self.assertProblem(line, 1, "service", "not a port from 0 to 65535")


class UnixTests(ResolveCase):
    """
    Tests for UNIX sockets.
    """

    def test_path(self) -> None:
        """
        A path is a UNIX socket for its owner alone (item 19).
        """
        service = serviceOf(f"/run/s stream unix nowait {SH}")
        self.assertEqual(service.address, Address(socket.AF_UNIX, "/run/s"))
        self.assertEqual(service.ownership, Ownership(-1, -1, 0o600))

    def test_types(self) -> None:
        """
        A UNIX socket may be of any type (item 19).
        """
        types = [
            serviceOf(f"/s {name} unix nowait {SH}").socktype
            for name in ("stream", "dgram", "seqpacket")
        ]
        self.assertEqual(
            types, [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET]
        )

    def test_ownership(self) -> None:
        """
        The owner, the group and the permissions may be given, all or some of them
        (item 20).
        """
        rest = f"stream unix nowait {SH}"
        for prefix, wanted in (
            (":nobody:nogroup:0660:", Ownership(65534, 65534, 0o660)),
            (":::0666:", Ownership(-1, -1, 0o666)),
            (":beth:::", Ownership(1001, -1, 0o600)),
            ("::mail::", Ownership(-1, 8, 0o600)),
        ):
            self.assertEqual(serviceOf(f"{prefix}/s {rest}").ownership, wanted)

    def test_unknownOwner(self) -> None:
        """
        An owner or a group that does not exist is an error at its place (item 18).
        """
        rest = f"stream unix nowait {SH}"
        self.assertProblem(f":carl:mail::/s {rest}", 2, "socket_user", "no user 'carl'")
        self.assertProblem(
            f":beth:crew::/s {rest}", 7, "socket_group", "no group 'crew'"
        )

    def test_notUnix(self) -> None:
        """
        Ownership is only for UNIX sockets.
        """
        text = "7 on protocol=tcp, args=echo, socket_mode=0660;"
        self.assertProblem(text, 43, "socket_mode", "is only for UNIX sockets")

    def test_protocol(self) -> None:
        """
        A path goes with unix alone, and unix with a path alone.
        """
        reason = "'tcp' does not go with the service /s"
        self.assertProblem(f"/s stream tcp nowait {SH}", 11, "protocol", reason)
        reason = "'unix' does not go with the service 7"
        self.assertProblem(f"7 stream unix nowait {SH}", 10, "protocol", reason)

    def test_impliedProtocol(self) -> None:
        """
        The protocol of a path may be left out.
        """
        service = serviceOf("/s on args=echo;")
        self.assertEqual(service.address.family, socket.AF_UNIX)


class InternalTests(ResolveCase):
    """
    Tests for internal services.
    """

    def test_name(self) -> None:
        """
        An internal service is told by the name in front (item 2).
        """
        service = serviceOf("daytime stream tcp nowait root internal")
        self.assertEqual(service.internal, "daytime")
        self.assertEqual(service.address.port, 13)
        self.assertIsNone(service.program)

    def test_alias(self) -> None:
        """
        An alias of services(5) in front tells it too, by its port (item 2).
        """
        service = serviceOf("null stream tcp nowait root internal")
        self.assertEqual(service.internal, "discard")

    def test_port(self) -> None:
        """
        The port of its RFC in front tells it too.
        """
        ports = {"7": "echo", "9": "discard", "13": "daytime", "19": "chargen"}
        for number, name in {**ports, "37": "time"}.items():
            line = f"{number} dgram udp wait root internal"
            self.assertEqual(serviceOf(line).internal, name)

    def test_argument(self) -> None:
        """
        An argument tells it, whatever the port (item 2).
        """
        for name in builtin.NAMES:
            line = f"20007 stream tcp nowait - internal {name}"
            self.assertEqual(serviceOf(line).internal, name)
        line = "echo stream tcp nowait - internal discard"
        self.assertEqual(serviceOf(line).internal, "discard")

    def test_path(self) -> None:
        """
        The last part of a path tells it, or an argument.
        """
        line = "/run/inetd/daytime stream unix nowait - internal"
        self.assertEqual(serviceOf(line).internal, "daytime")
        line = "/run/inetd/x stream unix nowait - internal echo"
        self.assertEqual(serviceOf(line).internal, "echo")

    def test_definition(self) -> None:
        """
        A definition without a program is an internal service, and needs neither wait
        nor a user.
        """
        service = serviceOf("echo on protocol=udp;")
        self.assertEqual((service.internal, service.wait), ("echo", False))

    def test_wait(self) -> None:
        """
        Internal services wait for nothing.
        """
        self.assertFalse(serviceOf("echo dgram udp wait root internal").wait)

    def test_user(self) -> None:
        """
        Anybody may name any user for an internal service, as nothing runs as her.
        """
        service = serviceOf("7 stream tcp nowait root internal", ALPINE)
        self.assertEqual((service.login, service.context), (None, Context()))

    def test_unknown(self) -> None:
        """
        An internal service that does not exist is told with those that do.
        """
        known = ", ".join(sorted({*builtin.NAMES, "tcpmux"}))
        line = "20007 stream tcp nowait - internal"
        reason = f"there is no internal '20007', only {known}"
        self.assertProblem(line, 1, "args", reason)
        line = "7 stream tcp nowait - internal other"
        self.assertProblem(line, 32, "args", "there is no internal 'other'")
        line = "http stream tcp nowait - internal"
        self.assertProblem(line, 1, "args", "there is no internal 'http'")

    def test_unknownService(self) -> None:
        """
        An internal service on a port that does not exist is an error of the port
        (item 3).
        """
        line = "nosuch stream tcp nowait - internal"
        self.assertProblem(line, 1, "service", "not in services(5)")


class MuxedTests(ResolveCase):
    """
    Tests for tcpmux and the services behind it (item 90).
    """

    def test_tcpmux(self) -> None:
        """
        The internal service is known by its port, and by its name.
        """
        for line in ("1", "7007", "tcpmux"):
            ask = replace(ROOT, getservbyname=lambda name, protocol: 1)
            text = f"{line} stream tcp6 nowait root internal tcpmux"
            (service,) = resolved(text, ask).services
            self.assertEqual(service.internal, "tcpmux")
            self.assertFalse(service.isMuxed)
        self.assertEqual(
            serviceOf("1 stream tcp nowait root internal").internal, "tcpmux"
        )

    def test_behind(self) -> None:
        """
        What is behind it has a name in lower case and no address, whatever the file
        says of addresses; only the plus sign has a client told.
        """
        for written, greets in (("Name", False), ("+nAme", True)):
            text = f"127.0.0.1:\ntcpmux/{written} stream tcp nowait {SH}"
            *_, entry = parse(text)
            assert isinstance(entry, Entry)
            (service,) = resolve(entry, PLAIN, ROOT).services
            self.assertEqual(service.address, Address(socket.AF_UNSPEC, "tcpmux/name"))
            self.assertEqual((service.name, service.greets), ("tcpmux/name", greets))
            self.assertTrue(service.isMuxed)

    def test_id(self) -> None:
        """
        It can have a name of its own in the log, which does not matter to clients.
        """
        service = serviceOf(
            "tcpmux/+x on protocol=tcp, wait=no, user=-, exec=sh, id=+y;"
        )
        self.assertEqual((service.name, str(service.address)), ("+y", "tcpmux/x"))
        self.assertTrue(service.greets)

    def test_bad(self) -> None:
        """
        A name that no client can ask for, a protocol that tcpmux does not have, and
        what is not a program for each client are refused.
        """
        for name in ("", "+", "help", "HELP", "x" * 200):
            line = f"tcpmux/{name} stream tcp nowait {SH}"
            self.assertProblem(line, 1, "service", "is no name")
        line = f"tcpmux/x stream tcp wait {SH}"
        self.assertProblem(line, 21, "wait", "nowait does")
        line = f"tcpmux/x dgram udp nowait {SH}"
        self.assertProblem(line, 16, "protocol", "for tcp only")
        line = "tcpmux/x stream tcp nowait root internal"
        self.assertProblem(line, 1, "exec", "leads to programs only")
        line = "7 dgram udp wait root internal tcpmux"
        self.assertProblem(line, 9, "protocol", "for tcp only")

    def test_duplicate(self) -> None:
        """
        A name behind it can be had once.
        """
        first = serviceOf(f"tcpmux/x stream tcp nowait {SH}")
        second = serviceOf(f"tcpmux/+X stream tcp nowait {SH}")
        found = list(distinct([first, second]))
        self.assertIs(found[0], first)
        self.assertIsInstance(found[1], Duplicate)

    def test_unreachable(self) -> None:
        """
        It is strange to have something behind tcpmux, and no tcpmux.
        """
        behind = serviceOf(f"tcpmux/x stream tcp nowait {SH}")
        echo = serviceOf("7 stream tcp nowait root internal")
        (warning,) = unreachable([echo, behind])
        self.assertIn("there is no line for tcpmux", warning.reason)
        mux = serviceOf("7007 stream tcp nowait root internal tcpmux")
        self.assertEqual(list(unreachable([mux, behind])), [])
        self.assertEqual(list(unreachable([echo])), [])


class ProgramTests(ResolveCase):
    """
    Tests for programs and those who run them.
    """

    def programOf(self, text: str, ask: Lookups = ROOT) -> Program:
        """
        The program of an entry.
        """
        program = serviceOf(text, ask).program
        assert program is not None
        return program

    def test_firstArgument(self) -> None:
        """
        Without arguments the program's own name is the last part of its path (item 8).
        """
        rest = "7 stream tcp nowait -"
        for path in ("/bin/sh", "../sh", "sh"):
            self.assertEqual(self.programOf(f"{rest} {path}").argv, ("sh",))
        program = self.programOf("7 on protocol=tcp,wait=no,user=-,exec=/bin/sh,args=;")
        self.assertEqual(program.argv, ("sh",))

    def test_manyArguments(self) -> None:
        """
        Any number of arguments is passed on (item 12).
        """
        line = f"7 stream tcp nowait - /bin/sh {' '.join('a' * 25)}"
        self.assertEqual(self.programOf(line).argv, ("a",) * 25)

    def test_path(self) -> None:
        """
        A name is to be looked for in the daemon's PATH, or where execvp(3) looks
        without one.
        """
        line = "7 stream tcp nowait - python3 python3 lower.py"
        program = self.programOf(line)
        self.assertEqual(program.name, "python3")
        self.assertEqual(program.folders, ("/usr/bin", "/bin"))
        self.assertEqual(program.argv, ("python3", "lower.py"))
        program = self.programOf(line, lookups(environ={}))
        self.assertEqual(program.folders, tuple(os.defpath.split(":")))

    def test_relative(self) -> None:
        """
        A path that is not absolute begins in the folder of its own file.
        """
        for path, wanted in (
            ("./a", "/etc/inetd/a"),
            ("../a", "/etc/a"),
            ("b/a", "/etc/inetd/b/a"),
            ("/a", "/a"),
        ):
            text = f"7 stream tcp nowait - {path}"
            (service,) = resolved(text, file="/etc/inetd/x.conf").services
            assert service.program is not None
            self.assertEqual(service.program.name, wanted)
            self.assertEqual(service.program.folders, ())

    def test_relativeFile(self) -> None:
        """
        If the path of the file is relative too, it begins in the working directory.
        """
        (service,) = resolved("7 stream tcp nowait - ./a", file="etc/x").services
        assert service.program is not None
        self.assertEqual(service.program.name, os.path.join(os.getcwd(), "etc", "a"))

    def test_nul(self) -> None:
        """
        No argument can hold what ends it.
        """
        text = r"7 on protocol=tcp, wait=no, user=-, exec=/bin/sh, args=sh 'a\x00';"
        self.assertProblem(text, 56, "args", "cannot hold a NUL character")

    def test_missing(self) -> None:
        """
        A program that is not there, or not for its user, is served with a warning at
        its place (item 46).
        """
        for path, ask in (("/no/such", ROOT), ("/etc", ROOT), ("nosuch", ALPINE)):
            found = resolved(f"7 stream tcp nowait - {path}", ask)
            self.assertEqual(len(found.services), 1)
            (warning,) = found.warnings
            self.assertEqual((warning.place.column, warning.field), (23, "exec"))
            self.assertIn(f"'{path}'", warning.reason)

    def test_there(self) -> None:
        """
        There is no warning for a program that is there.
        """
        self.assertEqual(resolved(f"7 stream tcp nowait {SH}").warnings, ())

    def test_user(self) -> None:
        """
        The user, the group and the supplementary groups are taken on (item 41).
        """
        service = serviceOf("7 stream tcp nowait alpine:daemon /bin/sh")
        self.assertEqual(service.context.identity, Identity(1000, 1, (1, 8, 100)))
        service = serviceOf("7 stream tcp nowait root:daemon /bin/sh")
        self.assertEqual(service.context.identity, Identity(0, 1, (1,)))
        self.assertIsNone(service.login)

    def test_groups(self) -> None:
        """
        Supplementary groups may be chosen.
        """
        text = "7 on protocol=tcp,wait=no,user=alpine,exec=/bin/sh,groups={};"
        identity = serviceOf(text.format("no")).context.identity
        self.assertEqual(identity, Identity(1000, 1000, (1000,)))
        self.assertProblem(text.format("crew"), 59, "groups", "no group 'crew'")

    def test_unknownUser(self) -> None:
        """
        A user or a group that does not exist is an error at its place (item 18).
        """
        rest = "7 stream tcp nowait"
        ignored = "service ignored"
        for ask in (ROOT, ALPINE):
            self.assertProblem(f"{rest} carl /bin/sh", 21, "user", ignored, ask)
        self.assertProblem(f"{rest} beth:crew /bin/sh", 26, "group", ignored)
        self.assertProblem(f"{rest} beth.crew /bin/sh", 21, "group", ignored)

    def test_otherUser(self) -> None:
        """
        Only root can run a program as somebody else, and whoever runs the daemon can
        as herself.
        """
        rest = "7 stream tcp nowait"
        for user in ("alpine", "-"):
            service = serviceOf(f"{rest} {user} /bin/sh", ALPINE)
            self.assertEqual((service.login, service.context), (None, Context()))
        line = f"{rest} beth /bin/sh"
        self.assertProblem(line, 21, "user", "only root can run a service as", ALPINE)

    def test_waits(self) -> None:
        """
        The wait field is the service's.
        """
        self.assertTrue(serviceOf(f"7 dgram udp wait {SH}").wait)
        self.assertFalse(serviceOf(f"7 dgram udp nowait {SH}").wait)


class ContextTests(ResolveCase):
    """
    Tests for what a process takes on before it becomes the program.
    """

    START = "7 on protocol=tcp,wait=no,user=alpine,exec=/bin/sh,"

    def contextOf(self, keys: str, ask: Lookups = ROOT) -> Context:
        """
        The context of a service with these keys.
        """
        return serviceOf(f"{self.START}{keys};", ask).context

    def assertRefuses(self, keys: str, reason: str, ask: Lookups) -> None:
        """
        The first of these keys is an error at its value.
        """
        key = keys.partition("=")[0]
        column = len(self.START) + len(key) + 2
        self.assertProblem(f"{self.START}{keys};", column, key, reason, ask)

    def test_defaults(self) -> None:
        """
        Without any keys a program has the usual mask and the root as its folder.
        """
        context = self.contextOf("")
        self.assertEqual(context, Context(context.identity, 0o022, "/", 0, None, ()))

    def test_given(self) -> None:
        """
        Each key is what it says.
        """
        context = self.contextOf(
            "umask=077, directory=/tmp, nice=-5, chroot=/, rlimit_files=64:128, "
            "rlimit_cpu=unlimited"
        )
        self.assertEqual(
            replace(context, identity=None),
            Context(
                *(None, 0o077, "/tmp", -5, "/"),
                (
                    ("RLIMIT_CPU", values.UNLIMITED, values.UNLIMITED),
                    ("RLIMIT_NOFILE", 64, 128),
                ),
            ),
        )

    def test_limits(self) -> None:
        """
        Every limit is one of setrlimit(2).
        """
        for key in KEYS:
            if key.startswith("rlimit_"):
                ((name, soft, hard),) = self.contextOf(f"{key}=7:8").limits
                self.assertEqual((soft, hard), (7, 8))
                if sys.platform == "linux":
                    self.assertTrue(hasattr(resource, name), name)

    def test_home(self) -> None:
        """
        A tilde is the home of the user, or of the one who runs the daemon.
        """
        self.assertEqual(self.contextOf("directory=~").directory, "/home/alpine")
        ask = lookups(1000, 1000, {"HOME": "/h", "PATH": "/bin"})
        self.assertEqual(self.contextOf("directory=~", ask).directory, "/h")
        self.assertEqual(self.contextOf("directory=~", ALPINE).directory, "/")

    def test_direct(self) -> None:
        """
        What the daemon cannot do itself does not go with a direct launch.
        """
        text = f"{self.START}launch=direct,{{}};"
        for keys in ("nice=1", "chroot=/", "rlimit_cpu=1"):
            column = len(self.START) + 8
            reason = "forkserver does"
            self.assertProblem(text.format(keys), column, "launch", reason)
        self.assertEqual(serviceOf(text.format("umask=077")).launch, "direct")

    def test_onlyRoot(self) -> None:
        """
        An ordinary user cannot do what only root can.
        """
        self.assertRefuses("nice=-1", "only root can raise a priority", ALPINE)
        self.assertRefuses("chroot=/", "only root can do that", ALPINE)
        self.assertEqual(self.contextOf("nice=1", ALPINE).nice, 1)

    def test_hardLimits(self) -> None:
        """
        An ordinary user cannot go above her own hard limits.
        """
        limit = "rlimit_files=1:1024"
        self.assertEqual(len(self.contextOf(limit, ALPINE).limits), 1)
        self.assertEqual(len(self.contextOf("rlimit_core=0", ALPINE).limits), 1)
        for bad in ("1:1025", "1:unlimited"):
            reason = "only root can go above 1024"
            self.assertRefuses(f"rlimit_files={bad}", reason, ALPINE)
            self.assertEqual(len(self.contextOf(f"rlimit_files={bad}").limits), 1)
        free = lookups(1000, 1000, hardLimit=values.UNLIMITED)
        self.assertEqual(len(self.contextOf("rlimit_cpu=unlimited", free).limits), 1)

    def test_chroot(self) -> None:
        """
        Another root must be a folder.
        """
        self.assertRefuses("chroot=/no/such", "'/no/such' is not a folder", ROOT)


class DistinctTests(SynchronousTestCase):
    """
    Tests for L{distinct}.
    """

    def distinct(self, text: str) -> list[Service | Warned]:
        """
        The services of a file, and the warnings.
        """
        found: list[Service] = []
        for entry in parse(text, "x"):
            assert isinstance(entry, Entry), entry
            found += resolve(entry, PLAIN, ROOT).services
        return list(distinct(found))

    def servedOf(self, text: str) -> list[Service]:
        """
        The services of a file, where there are no warnings.
        """
        served = []
        for each in self.distinct(text):
            assert isinstance(each, Service), each
            served.append(each)
        return served

    def test_duplicate(self) -> None:
        """
        The first of two services with one socket is served, and a warning names both
        lines (item 25).
        """
        first, warning, last = self.distinct(
            "7 stream tcp nowait - internal echo\n"
            "echo stream tcp4 nowait - internal discard\n"
            "8 stream tcp nowait - internal echo\n"
        )
        assert isinstance(first, Service) and isinstance(last, Service)
        assert isinstance(warning, Duplicate)
        self.assertEqual((first.internal, first.address.port), ("echo", 7))
        self.assertEqual(last.address.port, 8)
        self.assertEqual(
            str(warning), "x:2:1: service: 0.0.0.0:7 is served by x:1:1 already"
        )

    def test_partOfSeveral(self) -> None:
        """
        Of a line with several addresses only those that are taken are left out (item
        25).
        """
        first, second, warning = self.distinct(
            "127.0.0.2:7 stream tcp nowait - internal echo\n"
            "127.0.0.1,127.0.0.2:7 stream tcp nowait - internal echo\n"
        )
        assert isinstance(first, Service) and isinstance(second, Service)
        self.assertEqual(str(second.address), "127.0.0.1:7")
        self.assertIsInstance(warning, Warned)

    def test_different(self) -> None:
        """
        Services that differ in protocol, family, address or port have sockets of their
        own.
        """
        lines = (
            "7 stream tcp nowait - internal echo",
            "7 dgram udp wait - internal echo",
            "7 stream tcp6 nowait - internal echo",
            "127.0.0.1:7 stream tcp nowait - internal echo",
            "8 stream tcp nowait - internal echo",
            "/s stream unix nowait - internal echo",
            "/t stream unix nowait - internal echo",
        )
        found = self.servedOf("\n".join(lines))
        self.assertEqual(len(found), len(lines))
        self.assertEqual(len({each.key for each in found}), len(lines))

    def test_anyPort(self) -> None:
        """
        Lines that ask for port 0 each have a socket of their own, which stays the same
        when the file is read again.
        """
        line = "0 stream tcp nowait - internal echo\n"
        found = self.servedOf(line * 3 + "0 dgram udp wait - internal echo\n")
        self.assertEqual([each.address.port for each in found], [0] * 4)
        self.assertEqual([each.address.turn for each in found], [0, 1, 2, 0])
        self.assertEqual(len({each.key for each in found}), 4)
        again = self.servedOf(line * 2)
        self.assertEqual([each.key for each in again], [each.key for each in found[:2]])

    def test_names(self) -> None:
        """
        Every service has a name of its own in the log.
        """
        line = "0 stream tcp nowait - internal echo\n"
        found = self.servedOf(line * 3 + "7 on protocol=udp, args=echo, id=0/tcp;")
        names = [each.name for each in found]
        self.assertEqual(names, ["0/tcp", "0/tcp#2", "0/tcp#3", "0/tcp#4"])

    def test_unixSockets(self) -> None:
        """
        A path has one socket of each type, though it has no port (item 25).
        """
        line = "/s stream unix nowait - internal echo\n"
        first, second = self.distinct(line * 2)
        self.assertIsInstance(first, Service)
        self.assertIsInstance(second, Warned)
