# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.internal}."""

from __future__ import annotations

from inetdtw.model.process import ProcessContext
from inetdtw.model.service import INTERNAL_NAMES
from inetdtw.test.configcase import ALPINE, ResolveCase, resolved, serviceOf


class InternalTests(ResolveCase):
    """Tests for internal services."""

    def test_name(self) -> None:
        """An internal service is found by the name of the service (item 2)."""
        service = serviceOf("daytime stream tcp nowait root internal")
        self.assertEqual(service.internal, "daytime")
        self.assertEqual(service.address.port, 13)
        self.assertIsNone(service.program)

    def test_alias(self) -> None:
        """An internal service is found by an alias of services(5) (item 2)."""
        service = serviceOf("null stream tcp nowait root internal")
        self.assertEqual(service.internal, "discard")

    def test_port(self) -> None:
        """An internal service is found by the port of its RFC."""
        ports = {"7": "echo", "9": "discard", "13": "daytime", "19": "chargen"}
        for number, name in {**ports, "37": "time"}.items():
            line = f"{number} dgram udp wait root internal"
            self.assertEqual(serviceOf(line).internal, name)

    def test_argument(self) -> None:
        """An internal service is found by its argument, on any port (item 2)."""
        for name in INTERNAL_NAMES:
            line = f"20007 stream tcp nowait - internal {name}"
            self.assertEqual(serviceOf(line).internal, name)

    def test_otherWords(self) -> None:
        """The service that a line names is served; other words draw a warning."""
        for line, name, ignored in (
            ("echo stream tcp nowait - internal discard", "echo", "discard"),
            ("daytime stream tcp nowait root internal # a b", "daytime", "# a b"),
            ("37 stream tcp nowait root internal in.timed", "time", "in.timed"),
            ("null stream tcp nowait root internal echo", "discard", "echo"),
            ("7 stream tcp nowait root INTERNAL echo -x", "echo", "-x"),
            ("/run/x stream unix nowait root internal echo # x", "echo", "# x"),
            ("7 dgram udp wait - internal" + 30 * " a", "echo", "a " * 18 + "a..."),
        ):
            found = resolved(line)
            (service,), (warning,) = found.services, found.warnings
            self.assertEqual(service.internal, name)
            column = line.lower().index("internal") + 10
            self.assertEqual(warning.location.column, column)
            wanted = f"'{ignored}' is ignored: the internal {name} is served"
            self.assertEqual(warning.reason, wanted)

    def test_sameWord(self) -> None:
        """The name of the service itself after internal draws no warning."""
        rest = "stream tcp nowait root internal"
        for line in (
            *(f"7 {rest} echo", f"echo {rest} echo", f"20007 {rest} echo"),
            *(f"null {rest}", f"null {rest} null", f"null {rest} discard"),
        ):
            self.assertEqual(resolved(line).warnings, (), line)

    def test_path(self) -> None:
        """An internal service is found by the last part of a path."""
        line = "/run/inetd/daytime stream unix nowait - internal"
        self.assertEqual(serviceOf(line).internal, "daytime")
        line = "/run/inetd/x stream unix nowait - internal echo"
        self.assertEqual(serviceOf(line).internal, "echo")

    def test_definition(self) -> None:
        """A definition without a program is internal, without wait or user."""
        service = serviceOf("echo on protocol=udp;")
        self.assertEqual((service.internal, service.wait), ("echo", False))

    def test_wait(self) -> None:
        """Internal services wait for nothing."""
        self.assertFalse(serviceOf("echo dgram udp wait root internal").wait)

    def test_user(self) -> None:
        """An internal service can have any user, as it runs no program."""
        service = serviceOf("7 stream tcp nowait root internal", ALPINE)
        self.assertEqual((service.login, service.context), (None, ProcessContext()))

    def test_unknown(self) -> None:
        """The error for an unknown internal service lists the known ones."""
        known = ", ".join(sorted({*INTERNAL_NAMES, "tcpmux"}))
        line = "20007 stream tcp nowait - internal"
        reason = f"'20007' is not an internal service ({known})"
        self.assertProblem(line, 1, "args", reason)
        line = "20007 stream tcp nowait - internal other"
        self.assertProblem(line, 36, "args", "'other' is not an internal service")
        line = "http stream tcp nowait - internal"
        self.assertProblem(line, 1, "args", "'http' is not an internal service")

    def test_unknownService(self) -> None:
        """An internal service on an unknown port is an error (item 3)."""
        line = "nosuch stream tcp nowait - internal"
        self.assertProblem(line, 1, "service", "not in services(5)")
