# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.internal.reflector}."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.internal.reflector import ReflectorGuard, isOfThisMachine

PEER = ("192.0.2.1", 40000)


class ReflectorGuardTests(SynchronousTestCase):
    """Tests for L{ReflectorGuard}."""

    def setUp(self) -> None:
        """Make a guard."""
        self.guard = ReflectorGuard()

    def test_answeringPorts(self) -> None:
        """The ports of services that reply to anything are refused, and no others."""
        for host in ("192.0.2.1", "127.0.0.1"):
            refused = [n for n in range(1024) if not self.guard.allows((host, n))]
            self.assertEqual(refused, [0, 7, 9, 13, 17, 19, 37])

    def test_addedPorts(self) -> None:
        """A port is refused as long as a service is served on it."""
        peer = ("127.0.0.1", 7007)
        answers = [self.guard.allows(peer)]
        self.guard.add(7007)
        self.guard.add(7007)
        answers.append(self.guard.allows(peer))
        self.guard.discard(7007)
        answers.append(self.guard.allows(peer))
        self.guard.discard(7007)
        answers.append(self.guard.allows(peer))
        self.assertEqual(answers, [True, False, False, True])

    def test_discardWithoutAdd(self) -> None:
        """To discard a port that was not added does nothing."""
        self.guard.discard(7007)
        self.guard.add(7007)
        self.assertFalse(self.guard.allows(("192.0.2.1", 7007)))

    def test_answeringPortsStay(self) -> None:
        """Port 7 is refused even after a service on it was removed."""
        self.guard.add(7)
        self.guard.discard(7)
        self.guard.discard(7)
        self.assertFalse(self.guard.allows(("192.0.2.1", 7)))

    def test_own(self) -> None:
        """
        A socket of the daemon gets no reply at any address of this machine.

        Another machine's with the same port does.
        """
        self.guard.own(7007)
        own = [
            ("127.0.0.1", 7007),
            ("127.9.9.9", 7007),
            ("::ffff:127.0.0.1", 7007, 0, 0),
        ]
        for peer in own:
            self.assertFalse(self.guard.allows(peer))
            self.assertFalse(self.guard.allowsProgram(peer, "x"))
        for peer in (("192.0.2.1", 7007), ("127.0.0.1", 7008)):
            self.assertTrue(self.guard.allows(peer))
            self.assertTrue(self.guard.allowsProgram(peer, "x"))
        self.guard.disown(7007)
        for peer in own:
            self.assertTrue(self.guard.allows(peer))
            self.assertTrue(self.guard.allowsProgram(peer, "x"))

    def test_ownPaths(self) -> None:
        """The paths of UNIX sockets are refused, too."""
        self.guard.own("/a", "/b")
        for path, allowed in (("/a", False), ("/b", False), ("/c", True), (None, True)):
            self.assertEqual(self.guard.allows((path,)), allowed)
            self.assertEqual(self.guard.allowsProgram((path,), "x"), allowed)

    def test_programs(self) -> None:
        """
        No program is started for the ports of services that reply to anything.

        One is for the ports of services here.
        """
        self.guard.add(123)
        host = "192.0.2.1"
        with capturedLogs() as events:
            refused = [
                n for n in range(1024) if not self.guard.allowsProgram((host, n), "x")
            ]
        self.assertEqual(refused, [7, 13, 17, 19, 37])
        peers = [event["peer"] for event in events]
        self.assertEqual(peers, [f"{host}:{number}" for number in refused])

    def test_unknown(self) -> None:
        """An address that cannot be checked is assumed to be this machine's."""
        self.assertFalse(isOfThisMachine(("192.0.2.1", 7)))
        self.assertTrue(isOfThisMachine(("::1%nowhere", 7, 0, 0)))

        def fail(*given: Any) -> Any:
            raise OSError(errno.EMFILE, "")

        self.patch(socket, "socket", fail)
        self.assertTrue(isOfThisMachine(("192.0.2.1", 7)))

    def test_log(self) -> None:
        """A refusal is logged with the service and the peer; a reply is not."""
        with capturedLogs() as events:
            self.guard.allows(PEER, "echo")
            self.guard.allows(("192.0.2.1", 19), "echo")
            self.guard.allows(("2001:db8::1", 7, 0, 0), "time")
        self.assertEqual(
            [(event["service"], event["peer"]) for event in events],
            [("echo", "192.0.2.1:19"), ("time", "[2001:db8::1]:7")],
        )

    def test_flood(self) -> None:
        """Refusals of a port are logged once in a while for any number of sources."""
        self.guard.own(7007)
        with capturedLogs() as events:
            for i in range(100):
                self.guard.allows((f"192.0.2.{i}", 7), "echo")
                self.guard.allows(("127.0.0.1", 7007), "echo")
                self.guard.allows((f"192.0.2.{i}", 9), "time")
        self.assertEqual(len(events), 3)
