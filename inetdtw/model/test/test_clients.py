# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.clients}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.clients import FORK_SERVER, ClientList, ClientState

#: A client, and a list of it.
CLIENT = ClientState(
    *("7/tcp", 12, "192.0.2.1:40000", "nobody", 1000.12345, FORK_SERVER)
)
CLIENTS = ClientList(1060.98765, 0, 1, (CLIENT,))


class ClientListTests(SynchronousTestCase):
    """Tests for L{ClientList}."""

    def test_json(self) -> None:
        """JSON has all values, and times in milliseconds."""
        client = {
            "service": "7/tcp",
            "pid": 12,
            "peer": "192.0.2.1:40000",
            "user": "nobody",
            "since": 1000.123,
            "how": "fork server",
        }
        expected = {"now": 1060.988, "uid": 0, "total": 1, "clients": [client]}
        self.assertEqual(CLIENTS.asJSON(), expected)
