# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.state}."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import ExitStatus
from inetdtw.model import state
from inetdtw.model.state import (
    CONDITIONS,
    DaemonState,
    Failure,
    PauseReason,
    ServiceState,
    conditionOf,
    kindOf,
)
from inetdtw.test.fakes import makeDatagrams, makeService

ONE = ServiceState("7/tcp", "0.0.0.0:7", "stream nowait")
DAEMON = DaemonState("1.0", 7, 100.0, 160.5, False, 2, ("/a.conf",), (), (ONE,))


class ConditionTests(SynchronousTestCase):
    """Tests for the condition of a service."""

    def test_each(self) -> None:
        """Every reason for a pause leads to a condition other than C{listening}."""
        wanted = {
            (): "listening",
            (PauseReason.CHILD,): "running",
            (PauseReason.LIMIT,): "at limit",
            (PauseReason.TOTAL,): "at limit",
            (PauseReason.CAPACITY,): "busy",
            (PauseReason.CHANGE,): "changing",
            (PauseReason.OPERATOR,): "paused",
            (PauseReason.RATE,): "paused",
            (PauseReason.UNACCEPTED,): "paused",
            (PauseReason.SHORTAGE,): "paused",
            (PauseReason.ERROR,): "paused",
            (PauseReason.UNBOUND,): "bind failed",
            (PauseReason.REPLACED,): "failing",
            (PauseReason.FAILURES,): "failing",
            (PauseReason.DRAIN,): "draining",
            (PauseReason.IDLE,): "stopped",
        }
        for pauses, condition in wanted.items():
            self.assertEqual(conditionOf(pauses), condition)
        self.assertEqual(set(wanted.values()), set(CONDITIONS))

    def test_several(self) -> None:
        """Of several reasons, the first of the declaration counts."""
        self.assertEqual(
            conditionOf((PauseReason.CHILD, PauseReason.OPERATOR)), "paused"
        )
        self.assertEqual(
            conditionOf((PauseReason.OPERATOR, PauseReason.UNBOUND)), "bind failed"
        )
        self.assertEqual(
            conditionOf((PauseReason.CHILD, PauseReason.LIMIT)), "at limit"
        )

    def test_working(self) -> None:
        """A service whose clients wait as configured is working."""
        for reason, working in (
            (PauseReason.CHILD, True),
            (PauseReason.LIMIT, True),
            (PauseReason.CAPACITY, True),
            (PauseReason.CHANGE, True),
            (PauseReason.OPERATOR, False),
            (PauseReason.RATE, False),
            (PauseReason.UNBOUND, False),
            (PauseReason.DRAIN, False),
            (PauseReason.IDLE, False),
        ):
            self.assertEqual(replace(ONE, pauses=(reason,)).working, working, reason)

    def test_healthy(self) -> None:
        """A service is healthy unless an operator must mend it."""
        troubled = {
            PauseReason.UNBOUND,
            PauseReason.UNACCEPTED,
            PauseReason.ERROR,
            PauseReason.SOCKET_ERROR,
            PauseReason.REPLACED,
            PauseReason.FAILURES,
        }
        for reason in PauseReason:
            one = replace(ONE, pauses=(PauseReason.RATE, reason))
            self.assertEqual(one.healthy, reason not in troubled, reason)


class KindTests(SynchronousTestCase):
    """Tests for L{kindOf}."""

    def test_kinds(self) -> None:
        """The kind is in the words of inetd.conf(5)."""
        self.assertEqual(kindOf(makeService()), "stream nowait")
        self.assertEqual(kindOf(makeDatagrams(wait=True)), "dgram wait")
        self.assertEqual(kindOf(makeService(internal="x")), "stream nowait internal")
        packets = makeService(socktype=socket.SOCK_SEQPACKET)
        self.assertEqual(kindOf(packets), "seqpacket nowait")


class JSONTests(SynchronousTestCase):
    """Tests for the JSON form."""

    def test_service(self) -> None:
        """The JSON form has all attributes of a service."""
        one = replace(ONE, started=5, warm=2, last=ExitStatus(signal=9), cpu=0.1234567)
        decoded = json.loads(json.dumps(one.asJSON()))
        self.assertEqual((decoded["service"], decoded["state"]), ("7/tcp", "listening"))
        self.assertEqual((decoded["warm"], decoded["cold"]), (2, 3))
        self.assertEqual(decoded["last_exit"], {"status": None, "signal": 9})
        self.assertEqual(
            (decoded["cpu"], decoded["max"], decoded["pauses"]), (0.123457, None, [])
        )
        self.assertIsNone(ONE.asJSON()["last_exit"])

    def test_failure(self) -> None:
        """A failure has its reason, its time and the number of failures in a row."""
        failure = Failure("exit status 3", 1764547200.12345, 4)
        self.assertEqual(
            replace(ONE, failure=failure).asJSON()["last_failure"],
            {"reason": "exit status 3", "time": 1764547200.123, "in_a_row": 4},
        )
        self.assertIsNone(ONE.asJSON()["last_failure"])

    def test_daemon(self) -> None:
        """The daemon has its own values, and those of each service."""
        decoded = json.loads(json.dumps(DAEMON.asJSON()))
        self.assertEqual((decoded["pid"], decoded["healthy"]), (7, True))
        self.assertEqual([each["service"] for each in decoded["services"]], ["7/tcp"])

    def test_healthy(self) -> None:
        """The daemon is healthy if all services and lines are."""
        bad = replace(ONE, pauses=(PauseReason.UNBOUND,))
        self.assertFalse(replace(DAEMON, services=(ONE, bad)).healthy)
        self.assertFalse(replace(DAEMON, problems=("x",)).healthy)
        self.assertTrue(replace(DAEMON, draining=True).healthy)
        self.assertTrue(replace(DAEMON, services=()).healthy)

    def test_frozen(self) -> None:
        """A state does not change."""
        self.assertRaises(AttributeError, setattr, ONE, "running", 1)
        self.assertRaises(AttributeError, setattr, DAEMON, "pid", 1)
        self.assertTrue(state.WORKING.issubset(CONDITIONS))
