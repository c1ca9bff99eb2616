# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The test case of datagrams that programs are started for."""

from __future__ import annotations

import os

from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Service
from inetdtw.serve.datagram import DatagramListener
from inetdtw.test.fakes import FakeProgram, ServingTestCase, listening, makeDatagrams


class DatagramTestCase(ServingTestCase):
    """A test of a L{DatagramListener}."""

    def setUp(self) -> None:
        """Serve datagrams."""
        super().setUp()
        self.releases = 0
        self.serve(makeDatagrams())
        self.sender = self.client(self.server)

    def serve(self, service: Service) -> None:
        """Serve a service."""
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        self.listener = DatagramListener(
            self.serviceRuntime(service, self.limits, self.launcher, self.released),
            self.server,
        )
        self.listener.start()

    def released(self) -> None:
        """Act as the slot when a program has exited."""
        self.releases += 1
        self.listener.released()

    def read(self, program: FakeProgram) -> bytes:
        """Read all of a program's 0, in small pieces."""
        data = b""
        while True:
            piece = os.read(program.fds[0], 1000)
            if not piece:
                return data
            data += piece

    def write(self, program: FakeProgram, fd: int, data: bytes) -> None:
        """Write as a program, and have the reply sent."""
        self.assertEqual(os.write(program.fds[fd], data), len(data))
        self.reactor.settle()
