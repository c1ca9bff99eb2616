# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for tcpmux in L{inetdtw.config.resolver}."""

from __future__ import annotations

import socket
from dataclasses import replace

from inetdtw.config.entry import Entry
from inetdtw.config.parser import parse
from inetdtw.config.resolver import resolve
from inetdtw.model.address import Address
from inetdtw.test.configcase import PLAIN, ROOT, SH, ResolveCase, resolved, serviceOf


class MuxedTests(ResolveCase):
    """Tests for tcpmux and the services behind it (item 90)."""

    def test_tcpmux(self) -> None:
        """The service tcpmux is found by its port, and by its name."""
        for line in ("1", "7007", "tcpmux"):
            ask = replace(ROOT, getservbyname=lambda name, protocol: 1)
            text = f"{line} stream tcp6 nowait root internal tcpmux"
            (service,) = resolved(text, ask).services
            self.assertEqual(service.internal, "tcpmux")
            self.assertFalse(service.isPortless)
        self.assertEqual(
            serviceOf("1 stream tcp nowait root internal").internal, "tcpmux"
        )

    def test_behind(self) -> None:
        """
        A tcpmux service has a name in lower case and no address.

        With a plus sign, the client gets a confirmation.
        """
        for written, greets in (("Name", False), ("+nAme", True)):
            text = f"127.0.0.1:\ntcpmux/{written} stream tcp nowait {SH}"
            *_, entry = parse(text)
            assert isinstance(entry, Entry)
            (service,) = resolve(entry, PLAIN, ROOT).services
            self.assertEqual(service.address, Address(socket.AF_UNSPEC, "tcpmux/name"))
            self.assertEqual((service.name, service.greets), ("tcpmux/name", greets))
            self.assertTrue(service.isPortless)

    def test_id(self) -> None:
        """A tcpmux service can have another name in the log."""
        service = serviceOf(
            "tcpmux/+x on protocol=tcp, wait=no, user=-, exec=sh, id=+y;"
        )
        self.assertEqual((service.name, str(service.address)), ("+y", "tcpmux/x"))
        self.assertTrue(service.greets)

    def test_bad(self) -> None:
        """A wrong name or protocol, wait and internal services are errors."""
        for name in ("", "+", "x" * 200):
            line = f"tcpmux/{name} stream tcp nowait {SH}"
            self.assertProblem(line, 1, "service", "is not 1 to 128 printable")
        for name in ("help", "HELP"):
            line = f"tcpmux/{name} stream tcp nowait {SH}"
            self.assertProblem(line, 1, "service", "'help' is reserved by tcpmux")
        line = f"tcpmux/x stream tcp wait {SH}"
        self.assertProblem(line, 21, "wait", "must be nowait")
        line = f"tcpmux/x dgram udp nowait {SH}"
        self.assertProblem(line, 16, "protocol", "only for tcp")
        line = "tcpmux/x stream tcp nowait root internal"
        self.assertProblem(line, 1, "exec", "cannot be behind tcpmux")
        line = "77 dgram udp wait root internal tcpmux"
        self.assertProblem(line, 10, "protocol", "only for tcp")
