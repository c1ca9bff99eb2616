# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.descriptors}.
"""

from __future__ import annotations

import errno
import os
import resource
import socket

from inetdtw.descriptors import NEAR, WANTED, Descriptors, descriptors
from inetdtw.gate import Gate
from inetdtw.limits import Limits
from inetdtw.ports import SHORTAGE_PAUSE, SocketPort
from inetdtw.service import Bounds
from inetdtw.test.fakes import ServingTestCase


class DescriptorsTests(ServingTestCase):
    """
    Tests for L{Descriptors}.
    """

    def test_many(self) -> None:
        """
        Far from the limit there are enough, and nothing is tried.
        """
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        found = Descriptors()
        found.note(limit - NEAR - 1)
        found.note(3)
        self.assertTrue(found.enough())

    def test_near(self) -> None:
        """
        Near to it, what a client may take is tried, and not kept.
        """
        found = Descriptors()
        found.note(1 << 30)
        self.leavesNothingOpen(lambda: self.assertTrue(found.enough()))
        self.noDescriptors(lambda: self.assertFalse(found.enough()), WANTED - 1)
        self.noDescriptors(lambda: self.assertTrue(found.enough()), WANTED)

    def test_over(self) -> None:
        """
        When there were few and are many again, nothing is tried any more.
        """
        found = Descriptors()
        found.note(1 << 30)
        self.assertTrue(found.enough())
        self.patch(os, "open", lambda *given: self.fail("it was tried"))
        self.assertTrue(found.enough())

    def test_gate(self) -> None:
        """
        Without enough of them a service takes no client for a moment.
        """
        self.patch(descriptors, "_highest", 1 << 30)
        limits = Limits(Bounds(), self.reactor.seconds)
        gate = Gate("test/tcp", limits, self.host.report, self.launcher)
        sock = self.closing(socket.socket())
        gate.port = SocketPort(sock, self.reactor, "test/tcp")
        gate.port.start()
        self.noDescriptors(lambda: self.assertFalse(gate.open()))
        (stall,) = self.said("stall")
        self.assertEqual(stall["reason"], os.strerror(errno.EMFILE))
        self.assertEqual(gate.port.reasons, ["shortage"])
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(gate.open())
