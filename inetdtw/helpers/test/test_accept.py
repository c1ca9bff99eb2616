# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.accept}."""

from __future__ import annotations

import os
import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.accept import Acceptor


class AcceptorTests(SynchronousTestCase):
    """Tests for L{Acceptor}."""

    def setUp(self) -> None:
        """Have an acceptor for a socket."""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.server.setblocking(False)
        shared = {b"A": b"b", b"REMOTE_PORT": b"stale"}
        self.acceptor = Acceptor(3, os.dup(self.server.fileno()), ([b""], [], shared))
        self.addCleanup(self.acceptor.socket.close)

    def test_accept(self) -> None:
        """A connection is blocking, and comes with the environment of its program."""
        with socket.create_connection(self.server.getsockname()) as client:
            here = client.getsockname()
            connection, peer, environment = self.acceptor.accept()
            with connection:
                self.assertTrue(connection.getblocking())
        self.assertEqual(peer, here)
        self.assertEqual(environment[b"A"], b"b")
        self.assertEqual(environment[b"REMOTE_PORT"], b"%d" % here[1])
        self.assertEqual(
            environment[b"TCPLOCALPORT"], b"%d" % self.server.getsockname()[1]
        )

    def test_none(self) -> None:
        """That there is no connection is said at once."""
        self.assertRaises(BlockingIOError, self.acceptor.accept)

    def test_vanished(self) -> None:
        """A client that is gone by now is an error of its own."""
        client = socket.create_connection(self.server.getsockname())
        linger = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        self.assertRaises(OSError, self.acceptor.accept)
