# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.baseslot}."""

from __future__ import annotations

import errno
import os
import socket
import struct
from functools import partial
from typing import Any, Callable
from unittest import mock

from inetdtw.interfaces import ExitStatus
from inetdtw.launch.warm.test.played import KEPT
from inetdtw.limits.counters import Tally
from inetdtw.limits.failures import ROW
from inetdtw.model.address import Address
from inetdtw.model.service import Bounds
from inetdtw.serve.bindretry import FIRST_RETRY
from inetdtw.serve.runtime import Runtime
from inetdtw.serve.slot import Slot
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.test.slotcase import SlotTestCase
from inetdtw.system import boundpath, sockets
from inetdtw.test.fakes import (
    PATIENCE,
    makeDatagrams,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
)


class StateTests(SlotTestCase):
    """Tests for L{Slot.state}."""

    def stateOf(self, slot: Slot) -> tuple[int, str]:
        """Return the running programs, and the reasons of pauses."""
        self.runtime.report.state(slot.state())
        state = self.logged("state")[-1]
        self.assertEqual(state["service"], slot.service.name)
        self.assertEqual(state["address"], slot.address())
        return state["running"], state["pauses"]

    def test_unbound(self) -> None:
        """The state of a service without a socket has the reason."""
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        slot = self.slot(makeService(address=address))
        self.assertEqual(self.stateOf(slot), (0, "unbound"))

    def test_serving(self) -> None:
        """The state counts running programs, and has the limit as reason."""
        slot = self.serving(makeService(bounds=Bounds(acceptMax=1)))
        self.assertEqual(self.stateOf(slot), (0, "-"))
        self.connect(slot)
        self.requested(1)
        self.connect(slot)
        self.reactor.settle()
        self.assertEqual(self.stateOf(slot), (1, "limit"))

    def test_wait(self) -> None:
        """
        A service is C{running} while a program has the socket.

        A change waits for its exit.
        """
        slot = self.serving(makeService(wait=True))
        self.connect(slot)
        self.requested(1)
        self.assertEqual(self.stateOf(slot), (1, "child"))
        slot.change(makeService(wait=True, name="other"))
        self.assertEqual(self.stateOf(slot), (1, "child,idle,changing"))

    def test_failing(self) -> None:
        """
        A service whose programs all fail is failing, with the last failure.

        A pause, which clients can bring about, does not hide that; a drain does.
        """
        slot = self.serving(makeService())
        for number in range(1, ROW + 1):
            self.assertEqual(slot.state().condition, "listening")
            self.connect(slot)
            self.requested(number).start().end(ExitStatus(3))
        state = slot.state()
        self.assertEqual((state.condition, state.reason), ("failing", "exit status 3"))
        self.assertFalse(state.healthy)
        assert state.failure is not None
        self.assertEqual(state.failure.inARow, ROW)
        slot.pause()
        state = slot.state()
        self.assertEqual((state.condition, state.healthy), ("paused", False))
        self.assertEqual(state.reason, "by an operator")
        slot.drain()
        self.assertTrue(slot.state().healthy)

    def test_ready(self) -> None:
        """
        The state has whether a warm process is ready, for a warm service.

        It is not ready without a launcher.
        """
        slot = self.slot(makeService(warm=KEPT))
        self.assertIsNone(slot.state().ready)
        slot.start()
        self.assertIs(slot.state().ready, False)
        self.patch(slot, "_launcherOf", mock.Mock(side_effect=OSError))
        self.assertIs(slot.state().ready, False)
        self.assertIsNone(self.serving(makeService()).state().ready)

    def test_counts(self) -> None:
        """The counts of a program come from its tally."""
        tally = Tally(3, 4, 1, 6, 2, 1, 0.5, ExitStatus(3), admitted=99, refused=5)
        self.runtime.tallies["test/tcp"] = tally
        found = self.slot(makeService(bounds=Bounds(acceptMax=10))).state()
        self.assertEqual(
            (found.most, found.refused, found.started, found.warm), (10, 5, 7, 3)
        )
        self.assertEqual((found.failed, found.dropped, found.exitFailures), (1, 1, 2))
        self.assertEqual((found.last, found.cpu, found.ended), (ExitStatus(3), 0.5, 6))

    def test_most(self) -> None:
        """A C{wait} service runs one program at most, others have a limit or none."""
        for service, most in (
            (makeDatagrams(wait=True), 1),
            (makeDatagrams(wait=True, internal="echo"), None),
            (makeService(), None),
        ):
            self.assertEqual(self.slot(service).state().most, most)

    def test_reason(self) -> None:
        """A pause reason that needs it has an explanation."""
        slot = self.serving(makeService())
        slot.pause()
        self.assertEqual(slot.state().reason, "by an operator")
        slot.resume()
        self.assertIsNone(slot.state().reason)

    def test_internal(self) -> None:
        """The started count of an internal service is its served clients."""
        self.runtime.tallies["test/tcp"] = Tally(admitted=2, warm=1)
        self.assertEqual(self.slot(makeService(internal="echo")).state().started, 2)

    def test_others(self) -> None:
        """Every kind of service has a state."""
        for service in (
            makeService(internal="echo"),
            makeService(internal="tcpmux"),
            makeDatagrams(internal="echo"),
            makeDatagrams(),
            makeDatagrams(wait=True),
        ):
            self.assertEqual(self.stateOf(self.serving(service)), (0, "-"))


class FaultTests(SlotTestCase):
    """Tests for a L{Slot} in which any step raises an exception of any kind."""

    KINDS: tuple[Exception, ...] = (
        OverflowError("signed integer is greater than maximum"),
        UnicodeEncodeError("ascii", "\xe9", 0, 1, "ordinal not in range(128)"),
        ValueError("embedded null byte"),
        struct.error("'i' format requires"),
        AttributeError("module 'socket' has no attribute 'SO_NONE'"),
        OSError(errno.EMFILE, "no more descriptors"),
    )

    def failing(self, *_: Any, **__: Any) -> Any:
        """Raise the exception."""
        raise self.why

    def assertFails(self, slot: Slot, act: Callable[[], object]) -> None:
        """Assert that an act leaves the service unbound, with a retry."""
        act()
        self.assertFalse(slot.bound)
        state = slot.state()
        self.assertEqual(state.condition, "bind failed")
        text = self.why.strerror if isinstance(self.why, OSError) else str(self.why)
        self.assertIn(text or "-", state.reason or "")
        self.assertIsNotNone(state.until)
        logged = len(self.flushLoggedErrors(type(self.why)))
        self.assertEqual(logged, 0 if isinstance(self.why, OSError) else 1)

    def again(self, slot: Slot) -> None:
        """Assert that the service is served after another attempt."""
        self.reactor.advance(FIRST_RETRY * 2)
        self.assertTrue(slot.bound)
        self.assertEqual(slot.state().condition, "listening")
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        slot.stop()

    def test_steps(self) -> None:
        """
        Any exception of an event leaves the service unbound, with a retry.

        That holds for bind, start, change, pause and resume.
        """
        for why in self.KINDS:
            self.why = why
            before = openDescriptors()
            with mock.patch.object(sockets, "createListener", self.failing):
                slot = Slot(makeService(), self.runtime)
                self.assertFails(slot, slot.bind)
            self.again(slot)
            slot = self.slot(makeService())
            with mock.patch.object(StreamListener, "start", self.failing):
                self.assertFails(slot, slot.start)
                self.assertFalse(self.reactor.getReaders())
            self.again(slot)
            slot = self.slot(makeService())
            with mock.patch.object(StreamListener, "__init__", self.failing):
                self.assertFails(slot, slot.start)
            self.again(slot)
            for act in (
                lambda slot: slot.change(makeService(wait=True)),
                lambda slot: slot.pause(),
            ):
                slot = self.serving(makeService())
                with mock.patch.object(StreamListener, "retire", self.failing):
                    self.assertFails(slot, partial(act, slot))
                slot.resume()
                self.again(slot)
            slot = self.serving(makeService())
            slot.pause()
            with mock.patch.object(StreamListener, "start", self.failing):
                self.assertFails(slot, slot.resume)
            self.again(slot)
            self.assertEqual(openedSince(before), {})

    def test_restored(self) -> None:
        """
        Any exception of a restoration after a program leaves the service unbound.

        Nothing else is done with the socket.
        """
        for why in self.KINDS:
            self.why = why
            slot = self.serving(makeService(wait=True))
            self.connect(slot)
            self.reactor.turn(PATIENCE)
            with mock.patch.object(slot._socket, "fault", self.failing):
                self.assertFails(slot, self.launcher.last.start().end)
            self.again(slot)

    def test_options(self) -> None:
        """An internal error of a socket option leaves the socket as it is."""
        for why in self.KINDS:
            self.why = why
            slot = self.serving(makeService())
            with mock.patch.object(sockets, "reconfigure", self.failing):
                slot.change(makeService(bounds=Bounds(3)))
            self.assertTrue(slot.bound)
            reason = self.logged("config-warning")[-1]["reason"]
            self.assertIn("socket options not changed", reason)
            slot.stop()

    def test_stop(self) -> None:
        """An internal error of a stop or a drain leaves nothing open."""
        for why in self.KINDS:
            self.why = why
            for act in (Slot.stop, Slot.drain):
                before = openDescriptors()
                slot = self.serving(makeUnix(os.path.abspath("s")))
                with (
                    mock.patch.object(StreamListener, "stop", self.failing),
                    mock.patch.object(boundpath.BoundPath, "remove", self.failing),
                    mock.patch.object(Runtime, "closeReplies", self.failing),
                ):
                    act(slot)
                self.assertFalse(slot.bound)
                self.flushLoggedErrors(type(self.why))
                self.assertEqual(self.reactor.getDelayedCalls(), [])
                self.assertEqual(openedSince(before), {})
                os.unlink("s")

    def test_backoff(self) -> None:
        """The time between two tries grows, and the traceback is logged once."""
        self.why = ValueError("it is wrong")
        slot = self.slot(makeService())
        with mock.patch.object(StreamListener, "start", self.failing):
            slot.start()
            for seconds in (1, 2, 4):
                (later,) = self.reactor.getDelayedCalls()
                left = later.getTime() - self.reactor.seconds()
                self.assertAlmostEqual(left, seconds)
                self.reactor.advance(left)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        slot.stop()
