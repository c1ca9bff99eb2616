# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.child}."""

from __future__ import annotations

import errno
import os
import posix
from typing import Any
from unittest import mock

from inetdtw.helpers.reports import FAILED, REPORT, STARTED
from inetdtw.helpers.warm import child
from inetdtw.helpers.warm.test.cases import ExitedError, ServerTestCase


class ChildTests(ServerTestCase):
    """
    Tests for L{ForkedChild<inetdtw.helpers.warm.child.ForkedChild>}.

    @ivar done: what it has done, in order.
    @ivar fds: the descriptors that it got.
    """

    def setUp(self) -> None:
        """Note what would change this process."""
        super().setUp()
        self.done: list[Any] = []
        self.patch(posix, "setsid", self.record("session"))
        self.patch(self.signal, "restoring", lambda: [(self.record("signals"), ())])
        self.patch(self.limit, "restoring", lambda: [(self.record("limit"), ())])
        self.patch(self.cold, "execute", self.record("execute"))
        self.patch(self.template.program, "enter", lambda: "call")
        self.patch(child, "dup2", self.record("dup2"))
        self.child = self.server.child
        self.child.prepare()
        self.addCleanup(self.child.forget)
        self.fds: list[int] = []

    def record(self, name: str) -> Any:
        """Return a function that notes how it is called."""
        return lambda *given: self.done.append((name, *given))

    def received(self) -> tuple[Any, ...]:
        """Return a report that was sent: kind, number, pid and value."""
        return REPORT.unpack(self.daemon.recv(1000))[:4]

    def test_announce(self) -> None:
        """A child reports that it runs, and whether it starts cold."""
        for cold in (False, True):
            self.patch(self.cold, "isPossible", lambda: True)
            self.child._announce(3, cold)
            self.assertEqual(self.received(), (STARTED, 3, os.getpid(), cold))

    def test_announceFailure(self) -> None:
        """A child that can start neither warm nor cold reports a failure."""
        self.patch(self.cold, "isPossible", lambda: False)
        gone = self.assertRaises(ExitedError, self.child._announce, 3, True)
        self.assertEqual(gone.args, (127,))
        self.assertEqual(self.received(), (FAILED, 3, 0, errno.ENOENT))
        self.child._announce(3, False)
        self.assertEqual(self.received(), (STARTED, 3, os.getpid(), 0))

    def be(self, number: int, cold: bool, count: int = 1) -> Any:
        """Run as a child that gets so many descriptors."""
        self.patch(self.child, "_announce", self.record("announce"))
        fds = [os.open(os.devnull, os.O_RDWR) for _ in range(count)]
        self.fds = list(fds)
        return self.child.run(number, cold, fds, {b"B": b"2"}.items())

    def test_warm(self) -> None:
        """
        A child of a launch request reports that it runs, and runs the program.

        It leads a session and has its client first.
        """

        def enter(variables: Any, renew: bool) -> None:
            self.done.append((dict(variables), renew))

        self.patch(self.template, "enter", enter)
        self.patch(child, "close", lambda fd: None)
        self.child.prepare()
        for number, first in ((3, [("announce", 3, False)]), (0, [])):
            # The process itself reports the connections that it has accepted, which are
            # sockets.
            self.done.clear()
            self.assertEqual(self.be(number, False), "call")
            copies = [("dup2", self.fds[0], to) for to in range(3)]
            last = ({b"B": b"2"}, number > 0)
            calls = [("session",), ("signals",), ("limit",)]
            wanted = [*first, *calls, *copies, last]
            self.assertEqual(self.done, wanted)
            os.close(self.fds[0])

    def test_cold(self) -> None:
        """A cold child executes the program, and exits if it cannot."""
        self.patch(self.template, "enter", self.record("enter"))
        gone = self.assertRaises(ExitedError, self.be, 3, True)
        self.assertEqual(gone.args, (127,))
        self.assertEqual(self.done[-1], ("execute", {b"B": b"2"}))
        self.assertIn(("limit",), self.done)

    def test_error(self) -> None:
        """A child executes the program after any error, and exits if it cannot."""
        enter: Any = mock.Mock(side_effect=ValueError)
        self.patch(self.template, "enter", enter)
        gone = self.assertRaises(ExitedError, self.be, 3, False)
        self.assertEqual(gone.args, (127,))
        self.assertEqual(self.done[-1], ("execute", {b"B": b"2"}))

    def test_descriptors(self) -> None:
        """A child has nothing open besides 0, 1 and 2."""
        self.patch(self.template, "enter", lambda *given: None)
        self.listen()
        ours = [*self.listening().values(), *self.signal.fds, self.channel.fileno()]
        self.be(3, False, 3)
        self.assertFalse(any(map(self.isOpen, (*self.fds, *ours))))
        self.child.forget()
        self.assertEqual(self.channel.fileno(), -1)
        sockets = self.server._listeners.sockets.values()
        self.assertEqual([sock.fileno() for _, sock in sockets], [-1])

    def test_copies(self) -> None:
        """The last descriptor is used for those that there is none for."""
        self.patch(self.template, "enter", lambda *given: None)
        self.patch(child, "close", lambda fd: None)
        self.child.prepare()
        for count in (1, 2, 3):
            self.done.clear()
            self.be(3, False, count)
            at = [("dup2", self.fds[min(to, count - 1)], to) for to in range(3)]
            self.assertEqual([each for each in self.done if each[0] == "dup2"], at)
            for fd in self.fds:
                os.close(fd)
