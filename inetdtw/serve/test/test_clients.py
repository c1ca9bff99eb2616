# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.clients}."""

from __future__ import annotations

import os
import socket
from typing import Any

from inetdtw.interfaces import ExitStatus
from inetdtw.launch.warm.test.played import KEPT
from inetdtw.model.address import peerText
from inetdtw.model.clients import ClientList
from inetdtw.model.process import Login
from inetdtw.model.selection import AmbiguousService
from inetdtw.model.state import ServiceState
from inetdtw.serve import clients
from inetdtw.serve.child import Child
from inetdtw.serve.clients import InternalClient, clientList
from inetdtw.test.fakes import ServingTestCase, makeService
from inetdtw.test.superservercase import ECHO, SuperserverTestCase

PEER = ("192.0.2.1", 40000)
STATES = (
    ServiceState("one/tcp", "0.0.0.0:1", "stream nowait"),
    ServiceState("two/tcp", "0.0.0.0:2", "stream nowait"),
)


class ClientListTests(ServingTestCase):
    """Tests for L{clientList}."""

    def child(self, pid: int, peer: Any = PEER, **given: Any) -> Child:
        """Return a child that runs."""
        child = Child(makeService(**given), peer, self.runtime, lambda child: None)
        child.started(pid)
        return child

    def list(self, word: str | None = None) -> ClientList:
        """Return the clients."""
        return clientList(self.runtime, STATES, word)

    def test_children(self) -> None:
        """A child is in the list from its start until its exit."""
        self.reactor.advance(3)
        child = self.child(7, name="one/tcp", login=Login("nobody", "/", "/bin/sh"))
        self.reactor.advance(4)
        (client,) = self.list().clients
        self.assertEqual((client.service, client.pid), ("one/tcp", 7))
        self.assertEqual((client.peer, client.user), ("192.0.2.1:40000", "nobody"))
        self.assertEqual(client.since, self.runtime.wallclock() - 4)
        self.assertEqual(self.list().uid, os.geteuid())
        child.ended(ExitStatus(0))
        self.assertEqual(self.list().clients, ())

    def test_failed(self) -> None:
        """A child that could not be started is not in the list."""
        Child(makeService(), PEER, self.runtime, lambda child: None).failed("no")
        self.assertEqual(self.list().total, 0)

    def test_ways(self) -> None:
        """The list has how each program was started."""
        self.child(1)
        self.child(2, launch="direct")
        self.child(3, warm=KEPT)
        self.child(4, warm=KEPT).warm = True
        client = InternalClient(makeService(program=None, internal="echo"), PEER, 0.0)
        self.runtime.clients[client] = client
        found = [each.how for each in self.list().clients]
        self.assertEqual(
            found, ["fork server", "direct", "fork server", "warm", "internal"]
        )

    def test_noPeer(self) -> None:
        """The program of a wait service, and a UNIX client, have no address."""
        for pid, peer in enumerate((None, "", ("",)), 1):
            self.child(pid, peer)
        self.assertEqual({each.peer for each in self.list().clients}, {None})

    def test_chosen(self) -> None:
        """A word chooses services by their name or address."""
        for pid, name in enumerate(("one/tcp", "two/tcp", "one/tcp"), 1):
            self.child(pid, name=name)
        for word, pids in (("one", [1, 3]), ("0.0.0.0:2", [2]), (None, [1, 2, 3])):
            self.assertEqual([each.pid for each in self.list(word).clients], pids)
        why = self.assertRaises(AmbiguousService, self.list, "three")
        self.assertEqual(str(why), "'three' is not a service (one/tcp, two/tcp)")

    def test_many(self) -> None:
        """The list has the oldest clients, and the number of all."""
        self.patch(clients, "MOST", 2)
        for pid in (5, 3, 4):
            self.child(pid)
        self.assertEqual([each.pid for each in self.list().clients], [5, 3])
        self.assertEqual(self.list().total, 3)


class SuperserverClientsTests(SuperserverTestCase):
    """Tests for C{InetdService.clients}."""

    def connected(self, where: Any) -> socket.socket:
        """Return a client that was accepted."""
        client: socket.socket = self.closing(socket.socket())
        client.connect((where.host, where.port))
        self.reactor.turn(1)
        return client

    def test_tcpmux(self) -> None:
        """A client of tcpmux is in the list until it has sent a name."""
        inetd = self.running("127.0.0.1:0 stream tcp nowait - internal tcpmux\n")
        ((name, where),) = inetd.getHosts().items()
        client = self.connected(where)
        (state,) = inetd.clients().clients
        self.assertEqual(
            (state.service, state.how, state.pid), (name, "internal", None)
        )
        self.assertEqual(state.peer, peerText(client.getsockname()))
        client.sendall(b"help\r\n")
        self.reactor.turn(1)
        self.assertEqual(inetd.clients(name).total, 0)

    def test_stopped(self) -> None:
        """The list is empty when the superserver was stopped, whatever still runs."""
        inetd = self.running(ECHO)
        client = InternalClient(inetd.configuration.services[0], PEER, 0.0)
        inetd._runtime.clients[client] = client
        self.assertEqual(inetd.clients().total, 1)
        inetd.stopService()
        inetd.startService()
        self.assertEqual(inetd.clients().total, 0)
