# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The test case of services whose programs have their sockets."""

from __future__ import annotations

import socket

from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Service
from inetdtw.serve.wait import WaitListener
from inetdtw.test.fakes import PATIENCE, FakeProgram, ServingTestCase, listening


class WaitingTestCase(ServingTestCase):
    """A test of a service whose program has its socket."""

    def setUp(self) -> None:
        """Start with no service."""
        super().setUp()
        self.releases = 0

    def serve(self, service: Service) -> None:
        """Serve a service."""
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        self.listener = WaitListener(
            self.serviceRuntime(service, self.limits, self.launcher, self.released),
            self.server,
        )
        self.addCleanup(self.listener.stop)
        self.listener.start()

    def released(self) -> None:
        """Do what a slot does when a program has exited."""
        self.releases += 1
        self.listener.released()

    def assertIdle(self) -> None:
        """Assert that nothing more is started, whatever there is to read."""
        before = len(self.launcher.programs)
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), before)

    def accepted(self, program: FakeProgram) -> socket.socket:
        """Do what a program does that takes a connection."""
        with program.socket() as server:
            server.settimeout(PATIENCE)
            connection, _ = server.accept()
            server.setblocking(True)
        return self.closing(connection)
