# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.runtime}."""

from __future__ import annotations

from typing import Any

from inetdtw.model.service import Service
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import ServingTestCase, makeDatagrams, makeService


class AccountOfTests(ServingTestCase):
    """Tests for L{Runtime.accountOf}."""

    def costs(self, service: Service) -> tuple[Purpose, int, int]:
        """Return the descriptors that a client of a service takes."""
        found = self.runtime.accountOf(service)
        self.assertIs(found.descriptors, self.runtime.descriptors)
        self.assertEqual(found.service, service.name)
        return found.purpose, found.each, found.more

    def test_internal(self) -> None:
        """A client of an internal service takes one descriptor, a datagram none."""
        for name, purpose in (("echo", Purpose.INTERNAL), ("tcpmux", Purpose.TCPMUX)):
            service = makeService(internal=name)
            self.assertEqual(self.costs(service), (purpose, 1, 0))
            self.assertTrue(self.runtime.accountOf(service).bounded)
        service = makeDatagrams(internal="echo")
        self.assertEqual(self.costs(service), (Purpose.INTERNAL, 0, 0))

    def test_programs(self) -> None:
        """
        A program takes a pipe if its standard error is logged.

        It takes two sockets if it has a datagram.
        """
        each: dict[str, Any] = {}
        for error, pipe in (("socket", 0), ("null", 0), ("log", 2)):
            each["stderr"] = error
            self.assertEqual(self.costs(makeService(**each)), (Purpose.CHILD, 0, pipe))
            waiting = makeDatagrams(wait=True, **each)
            self.assertEqual(self.costs(waiting), (Purpose.CHILD, 0, pipe))
            apart = makeDatagrams(wait=False, **each)
            self.assertEqual(self.costs(apart), (Purpose.CHILD, 2, 2 + pipe))

    def test_source(self) -> None:
        """All addresses of a /64 count as one, and so do all clients without one."""
        account = self.runtime.accountOf(makeService(internal="echo"))
        one = account.sourceOf(("2001:db8::1", 1, 0, 0))
        self.assertEqual(account.sourceOf(("2001:db8::2", 2, 0, 0)), one)
        self.assertEqual(account.sourceOf(("192.0.2.1", 1)), "192.0.2.1")
        self.assertEqual(account.sourceOf(""), "")
