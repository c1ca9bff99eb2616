# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.resolver}."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

from inetdtw.config.entry import Entry
from inetdtw.config.parser import parse
from inetdtw.config.resolver import resolve
from inetdtw.model.address import Address
from inetdtw.model.errors import ConfError, Location
from inetdtw.model.process import Credentials, Login, ProcessContext
from inetdtw.model.service import (
    Bounds,
    EnvironmentSpec,
    Program,
    Service,
    Settings,
    SocketOptions,
)
from inetdtw.test.configcase import (
    PLAIN,
    ROOT,
    SH,
    ResolveCase,
    resolved,
    serviceOf,
    servicesOf,
)


class ServiceTests(ResolveCase):
    """Tests for the services of an entry."""

    def test_positional(self) -> None:
        """A line is resolved to numbers and absolute paths (item 1)."""
        service = serviceOf("7007 stream tcp nowait alpine /bin/sh sh -x")
        wanted = Service(
            location=Location("/etc/x", 1),
            name="7007/tcp",
            address=Address(socket.AF_INET, "0.0.0.0", 7007),
            socktype=socket.SOCK_STREAM,
            program=Program("/bin/sh", (), ("sh", "-x")),
            login=Login("alpine", "/home/alpine", "/bin/ash"),
            context=ProcessContext(Credentials(1000, 1000, (8, 100, 1000))),
        )
        self.assertEqual(service, wanted)
        self.assertEqual(service.location, wanted.location)

    def test_bothForms(self) -> None:
        """Both forms are resolved to equal services (item 27)."""
        self.assertEqual(
            servicesOf(f"localhost:echo dgram udp wait {SH}"),
            servicesOf(
                "echo on bind=localhost, protocol=udp, wait=yes, user=-, "
                "exec=/bin/sh, args=sh;"
            ),
        )

    def test_off(self) -> None:
        """An entry that is off has no services, but errors (item 28)."""
        keys = "protocol=tcp, args=echo"
        self.assertEqual(servicesOf(f"7 off {keys};"), ())
        self.assertProblem(f"nosuch off {keys};", 1, "service", "services(5)")
        self.assertProblem(f"7 off bind=nowhere, {keys};", 12, "bind", "not known")
        self.assertProblem("7 off protocol=udp, exec=x;", 1, "wait", "must be given")

    def test_name(self) -> None:
        """The name of a service is its id, or else its name and protocol."""
        self.assertEqual(serviceOf(f"echo stream tcp46 nowait {SH}").name, "echo/tcp")
        self.assertEqual(serviceOf("7 on protocol=udp, args=echo;").name, "7/udp")
        self.assertEqual(serviceOf("7 on protocol=udp,args=echo,id=e;").name, "e")
        self.assertEqual(serviceOf(f"/s stream unix nowait {SH}").name, "/s/unix")

    def test_namesOfSeveral(self) -> None:
        """With several addresses, the name of each service has its address."""
        names = [each.name for each in servicesOf("*,[::1]:7 stream tcp wait - x")]
        self.assertEqual(names, ["0.0.0.0:7/tcp", "[::1]:7/tcp"])

    def test_settings(self) -> None:
        """Settings are the defaults of keys that an entry does not have."""
        settings = Settings(9, Bounds(1, 2, 3, 4), "direct")
        service = serviceOf(f"7 stream tcp nowait {SH}", ROOT, settings)
        self.assertEqual(service.bounds, Bounds(1, 2, 3, 4))
        self.assertEqual(service.options, SocketOptions(9))
        self.assertEqual(service.launch, "direct")

    def test_ownSettings(self) -> None:
        """A value of the entry, also 0, takes precedence over settings (item 15)."""
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
        """Sizes of buffers and an accept filter are the socket's (item 31)."""
        service = serviceOf(f"7 stream:dataready tcp,sndbuf=64k,rcvbuf=1m nowait {SH}")
        self.assertEqual(
            service.options, SocketOptions(128, 65536, 1 << 20, "dataready")
        )

    def test_fields(self) -> None:
        """A definition without protocol, wait or user is an error."""
        exe = "exec=/bin/sh"
        self.assertProblem(f"7 on {exe};", 1, "protocol", "must be given")
        self.assertProblem(f"7 on protocol=tcp, {exe};", 1, "wait", "yes or no")
        text = f"7 on protocol=tcp, wait=no, {exe};"
        self.assertProblem(text, 1, "user", "must be given; - is the daemon's user")

    def test_variables(self) -> None:
        """C{env} and C{passenv} are the service's, in their order, an empty one too."""
        text = (
            "7 on protocol=tcp, wait=no, user=-, exec=sh, "
            "env = A=1 'B=x=y z' C=, passenv = LANG PATH;"
        )
        wanted = EnvironmentSpec(
            (("A", "1"), ("B", "x=y z"), ("C", "")), ("LANG", "PATH")
        )
        self.assertEqual(serviceOf(text).variables, wanted)
        none = "7 on protocol=tcp, args=echo, passenv = ;"
        self.assertEqual(serviceOf(none).variables, EnvironmentSpec(passed=()))
        self.assertEqual(serviceOf("7 on protocol=tcp;").variables, EnvironmentSpec())

    def test_badVariables(self) -> None:
        """A variable without a name or a value, or with NUL, is an error."""
        for word in ("A", "=1", "'A=\\x00'"):
            (problem,) = parse(f"7 on protocol=tcp, env={word};")
            assert isinstance(problem, ConfError), word
            self.assertEqual((problem.field, problem.location.column), ("env", 24))

    def test_refusal(self) -> None:
        """The message to rejected clients is only for stream nowait (item 69)."""
        line = "7 on protocol={}, wait={}, user=-, exec=sh, refusal={};"
        definition = line.format("tcp", "no", r'"busy\r\n\xff"')
        self.assertEqual(serviceOf(definition).refusal, b"busy\r\n\xff")
        self.assertEqual(serviceOf(line.format("tcp", "no", '""')).refusal, b"")
        for protocol, wait, column in (("tcp", "yes", 55), ("udp", "no", 54)):
            text = line.format(protocol, wait, "x")
            self.assertProblem(text, column, "refusal", "only for stream nowait")
        behind = line.format("tcp", "no", "x").replace("7 on", "tcpmux/x on")
        self.assertProblem(behind, 61, "refusal", "tcpmux")

    def test_noAddresses(self) -> None:
        """A limit for each client address needs known addresses (items 67, 68)."""
        for rest, column, reason in (
            ("7 stream tcp wait", 18, "only the program sees the clients"),
            ("7 dgram udp wait", 17, "only the program sees the clients"),
            ("/x stream unix nowait", 22, "clients of a UNIX socket have no address"),
            ("/x dgram unix nowait", 21, "clients of a UNIX socket have no address"),
        ):
            for key, limits in (("ip_max", "//1"), ("per_source", "///1")):
                where = column + len(limits) - 1
                line = f"{rest}{limits} {SH}"
                self.assertProblem(line, where, key, reason)
        internal = "7 dgram udp nowait{} root internal echo"
        for key, limits in (("ip_max", "//1"), ("per_source", "///1")):
            where = 18 + len(limits)
            text = internal.format(limits)
            self.assertProblem(text, where, key, "source addresses can be forged")

    def test_noBoundsOfAddresses(self) -> None:
        """Without known addresses, 0 is accepted, and defaults do not apply."""
        settings = Settings(bounds=Bounds(1, 2, 3, 4))
        for line in (
            f"7 stream tcp wait{{}} {SH}",
            f"7 dgram udp wait{{}} {SH}",
            f"/x stream unix nowait{{}} {SH}",
            "7 dgram udp nowait{} root internal echo",
        ):
            for limits in ("", "/1", "/1/0/0"):
                service = serviceOf(line.format(limits), settings=settings)
                self.assertEqual(service.bounds, Bounds(1, 2, 0, 0), line)

    def test_sourcePrefix(self) -> None:
        """The prefix lengths are those of the definition, or of the settings."""
        rest = "user = root, exec = /bin/sh"
        settings = Settings(bounds=Bounds(sourcePrefix=(24, 56)))
        for text, wanted in (
            (f"7 on protocol = tcp, wait = no, {rest};", (24, 56)),
            (
                f"7 on protocol = tcp, wait = no, {rest}, per_source_prefix = 32/48;",
                (32, 48),
            ),
            ("7 on protocol = udp, args = echo, per_source_prefix = 8/48;", (8, 48)),
        ):
            bounds = serviceOf(text, settings=settings).bounds
            self.assertEqual(bounds.sourcePrefix, wanted)
        self.assertEqual(Bounds().sourcePrefix, (32, 64))

    def test_noSourcePrefix(self) -> None:
        """Without known client addresses, a prefix length is an error."""
        prefix = "per_source_prefix = 32/64;"
        text = f"7 on protocol = tcp, wait = yes, user = root, exec = /bin/sh, {prefix}"
        location = text.index(prefix) + 1
        self.assertProblem(text, location + 20, "per_source_prefix", "only the program")

    def test_answerMax(self) -> None:
        """The answer limit is that of the definition, or of the settings."""
        settings = Settings(bounds=Bounds(answerMax=7))
        exec = "user = root, exec = /bin/sh, wait ="
        for text, wanted in (
            ("7 on protocol = udp, args = echo;", 7),
            ("7 on protocol = udp, args = echo, answer_max = 0;", 0),
            (f"7 on protocol = udp, answer_max = 9, {exec} no;", 9),
        ):
            self.assertEqual(
                serviceOf(text, settings=settings).bounds.answerMax, wanted
            )
        self.assertEqual(Bounds().answerMax, 6000)
        for protocol, wait in (("tcp", "no"), ("udp", "yes")):
            text = f"7 on protocol = {protocol}, answer_max = 9, {exec} {wait};"
            location = text.index("9,") + 1
            self.assertProblem(
                text, location, "answer_max", "is only for internal services over udp"
            )

    def test_boundsOfAddresses(self) -> None:
        """With known client addresses, the limits for them apply."""
        for line in (
            f"7 dgram udp nowait/1/2/3 {SH}",
            f"tcpmux/x stream tcp nowait/1/2/3 {SH}",
            "7 stream tcp nowait/1/2/3 root internal echo",
            "7 stream tcp wait/1/2/3 root internal echo",
        ):
            self.assertEqual(serviceOf(line).bounds, Bounds(1, 0, 2, 3), line)

    def test_pause(self) -> None:
        """The pause is that of the definition, or of the settings (item 64)."""
        line = "7 on protocol=tcp, wait=no, user=-, exec=sh{};"
        given = Settings(bounds=Bounds(pause=9))
        for more, settings, wanted in (
            (", pause=5", given, 5),
            ("", given, 9),
            ("", PLAIN, 60),
        ):
            service = serviceOf(line.format(more), settings=settings)
            self.assertEqual(service.bounds.pause, wanted)

    def test_stderr(self) -> None:
        """
        Standard error of C{wait} goes to the log, and else to the client.

        The option sets it for all programs, and the key for one.
        """
        line = "7 on protocol={}, wait={}, user=-, exec=/bin/cat{};"
        for protocol in ("tcp", "udp"):
            for wait, usual in (("yes", "log"), ("no", "socket")):
                text = line.format(protocol, wait, "")
                self.assertEqual(serviceOf(text).stderr, usual)
                null = serviceOf(text, settings=Settings(stderr="null"))
                self.assertEqual(null.stderr, "null")
                for chosen in ("socket", "log", "null"):
                    text = line.format(protocol, wait, f", stderr={chosen}")
                    found = serviceOf(text, settings=Settings(stderr="log"))
                    self.assertEqual(found.stderr, chosen)
        internal = serviceOf("7 on protocol=tcp;", settings=Settings(stderr="log"))
        self.assertEqual(internal.stderr, "socket")

    def test_flags(self) -> None:
        """The flags of connections are for TCP only."""
        text = "7 on protocol=tcp, nodelay=yes, keepalive=yes;"
        wanted = SocketOptions(noDelay=True, keepAlive=True)
        self.assertEqual(serviceOf(text).options, wanted)
        for key in ("nodelay", "keepalive"):
            text = f"7 on protocol=udp, {key}=yes;"
            self.assertProblem(text, text.index("yes") + 1, key, "is only for tcp")
            serviceOf(f"7 on protocol=udp, {key}=no;")

    def test_settingsBind(self) -> None:
        """The default address of the settings applies to ports, and not to paths."""
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

    def test_bug(self) -> None:
        """A bug in a look-up is not reported as an error of the entry."""
        for error in (KeyError("x"), LookupError("user", "unknown user"), IndexError()):

            def getaddrinfo(*_: object, error: Exception = error, **__: object) -> Any:
                raise error

            ask = replace(ROOT, getaddrinfo=getaddrinfo)
            line = "localhost:7 stream tcp nowait - internal"
            self.assertIs(self.assertRaises(type(error), resolved, line, ask), error)

    def test_waits(self) -> None:
        """The service has the value of the wait field."""
        self.assertTrue(serviceOf(f"7 dgram udp wait {SH}").wait)
        self.assertFalse(serviceOf(f"7 dgram udp nowait {SH}").wait)
