# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.clients}."""

from __future__ import annotations

import json
import pwd
import time
from dataclasses import replace

from inetdtw.cli.clients import lines
from inetdtw.cli.test.test_operate import CommandTestCase
from inetdtw.model.test.test_clients import CLIENT, CLIENTS


class ClientsTests(CommandTestCase):
    """Tests for C{inetd clients}."""

    def setUp(self) -> None:
        """Use UTC."""
        super().setUp()
        self.patch(time, "localtime", time.gmtime)

    def test_table(self) -> None:
        """Each client has a line."""
        code, output, errors = self.run_("clients", reply=CLIENTS.asJSON())
        self.assertEqual((code, errors), (0, ""))
        self.assertEqual(
            output.splitlines(),
            [
                "SERVICE PID PEER            USER   SINCE    HOW",
                "7/tcp    12 192.0.2.1:40000 nobody 00:16:40 fork server",
            ],
        )
        self.assertEqual(self.client.asked, [("GET", "/clients")])

    def test_unknown(self) -> None:
        """A value that there is not is a dash, and a user is the daemon's."""
        client = replace(CLIENT, pid=None, peer=None, user=None)
        for uid, user in ((0, pwd.getpwuid(0).pw_name), (123456789, "123456789")):
            reply = replace(CLIENTS, uid=uid, clients=(client,)).asJSON()
            self.assertEqual(
                list(lines(reply))[1].split()[:4], ["7/tcp", "-", "-", user]
            )

    def test_json(self) -> None:
        """C{--json} prints the reply, for the service that is asked for."""
        code, output, _ = self.run_("clients", "-j", "7", reply=CLIENTS.asJSON())
        self.assertEqual((code, json.loads(output)), (0, CLIENTS.asJSON()))
        self.assertEqual(self.client.asked, [("GET", "/clients", "7")])

    def test_rejected(self) -> None:
        """A service that there is not is an error."""
        found = self.run_("clients", "x", reply={"error": "'x' is not a service"})
        self.assertEqual(found, (1, "", "inetd: 'x' is not a service\n"))

    def test_many(self) -> None:
        """The number of clients that are not in the list is below it."""
        reply = replace(CLIENTS, total=8).asJSON()
        self.assertEqual(list(lines(reply))[2], "and 7 more, which are newer")

    def test_width(self) -> None:
        """The longest address and user fit into 80 columns."""
        peer = "[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:40000"
        client = replace(CLIENT, pid=4194304, peer=peer, user="u" * 32, since=0.0)
        client = replace(client, service="[2001:db8::7334]:21000/tcp")
        reply = replace(CLIENTS, now=1e6, clients=(client,)).asJSON()
        found = list(lines(reply, 80))
        self.assertEqual(len(found[1]), 80)
        self.assertTrue(found[1].endswith(" 01-01 00:00 fork server"), found[1])
        self.assertIn("+/tcp 4194304 [2001:", found[1])
