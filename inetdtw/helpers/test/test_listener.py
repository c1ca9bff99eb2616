# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.listener}."""

from __future__ import annotations

import os
import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.listener import DelegatedListener


class DelegatedListenerTests(SynchronousTestCase):
    """Tests for L{DelegatedListener}."""

    def setUp(self) -> None:
        """Make a delegated listener."""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.server.setblocking(False)
        shared = {b"A": b"b", b"REMOTE_PORT": b"stale"}
        self.listener = DelegatedListener(
            3, os.dup(self.server.fileno()), ([b""], [], shared)
        )
        self.addCleanup(self.listener.socket.close)

    def test_accept(self) -> None:
        """A connection blocks, and comes with the environment of its program."""
        with socket.create_connection(self.server.getsockname()) as client:
            here = client.getsockname()
            connection, peer, environment = self.listener.accept()
            with connection:
                self.assertTrue(connection.getblocking())
        self.assertEqual(peer, here)
        self.assertEqual(environment[b"A"], b"b")
        self.assertEqual(environment[b"REMOTE_PORT"], b"%d" % here[1])
        self.assertEqual(
            environment[b"TCPLOCALPORT"], b"%d" % self.server.getsockname()[1]
        )

    def test_none(self) -> None:
        """An error is raised when there is no connection."""
        self.assertRaises(BlockingIOError, self.listener.accept)

    def test_vanished(self) -> None:
        """An error is raised when the client has left."""
        client = socket.create_connection(self.server.getsockname())
        linger = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        self.assertRaises(OSError, self.listener.accept)
