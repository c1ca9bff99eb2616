# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.portless}: from a change or a pause to the end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

from inetdtw.launch.warm.test.played import KEPT
from inetdtw.limits.service import WINDOW
from inetdtw.model.service import Bounds, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.bindretry import LONGEST_RETRY
from inetdtw.serve.portless import PortlessSlot
from inetdtw.serve.tcpmux import NOT_AVAILABLE
from inetdtw.serve.test.test_portless import PortlessCase, makePortless
from inetdtw.test.fakes import NOW, openDescriptors


class PortlessLifeTests(PortlessCase):
    """Tests for a L{PortlessSlot} that is changed, paused, drained and stopped."""

    def test_change(self) -> None:
        """
        A change applies to the next clients.

        Running programs still count, and new capacity is used at once.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.again(bounds=Bounds(acceptMax=2))
        self.assertEqual(len(self.launcher.programs), 2)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_stop(self) -> None:
        """A stop refuses clients, also queued ones, and is logged."""
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        waits = self.ask(b"x\r\n")
        self.slot.stop()
        self.assertEqual(self.answer(waits), NOT_AVAILABLE)
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(len(self.logged("close")), 1)
        self.launcher.last.start().end()

    def test_tell(self) -> None:
        """The state has the counters of the service."""
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        state = self.slot.state()
        self.assertEqual((state.name, state.running), ("tcpmux/x", 1))
        self.assertEqual(
            (state.address, state.pauses), ("tcpmux/x", (PauseReason.LIMIT,))
        )
        self.assertEqual(state.condition, "at limit")

    def test_pause(self) -> None:
        """Clients wait while an operator has paused the service."""
        self.slot.pause()
        self.assertTrue(self.slot.paused)
        waits = self.ask(b"x\r\n")
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(self.slot.state().condition, "paused")
        self.slot.resume()
        self.assertFalse(self.slot.paused)
        self.launcher.last.start().end()
        self.assertEqual(self.answer(waits), b"")

    def test_resumeRate(self) -> None:
        """A resume by an operator ends the pause for a rate."""
        self.again(bounds=Bounds(serviceMax=1))
        for _ in range(2):
            self.ask(b"x\r\n")
        state = self.slot.state()
        self.assertEqual((state.pauses, state.refused), ((PauseReason.RATE,), 1))
        self.assertEqual(state.until, NOW + WINDOW)
        self.slot.resume()
        self.assertEqual(self.slot.state().pauses, ())
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_drain(self) -> None:
        """A drained service is unknown; its state depends on running programs."""
        self.ask(b"x\r\n")
        program = self.launcher.last.start()
        self.slot.drain()
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(self.slot.state().condition, "draining")
        program.end()
        self.assertEqual(self.slot.state().condition, "stopped")
        self.slot.stop()
        self.assertEqual(len(self.logged("close")), 1)

    def test_broken(self) -> None:
        """
        An internal error of a start or a change pauses the service.

        The reason is in its state; it is tried again, and leaves no client waiting.
        """

        def launcherOf(service: Service) -> Any:
            if not wrong:
                return self.launcher
            raise ValueError("no launcher")

        for act in (
            lambda slot: slot.start(),
            lambda slot: slot.change(makePortless(refusal=b"x")),
        ):
            wrong = act is not None
            runtime = replace(self.runtime, launcherOf=launcherOf)
            slot = PortlessSlot(makePortless(), runtime)
            act(slot)
            slot.start()
            state = slot.state()
            self.assertEqual(state.condition, "paused")
            self.assertEqual(state.reason, "ValueError: no launcher")
            self.flushLoggedErrors(ValueError)
            wrong = False
            self.reactor.advance(LONGEST_RETRY)
            self.assertEqual(slot.state().condition, "listening")
            slot.drain()

    def test_brokenWhileServed(self) -> None:
        """
        An internal error of a change refuses the clients that wait.

        Later clients are refused too.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        waits = self.ask(b"x\r\n")
        self.patch(self.slot, "_launcherOf", mock.Mock(side_effect=ValueError))
        self.slot.change(makePortless(refusal=b"x"))
        self.flushLoggedErrors(ValueError)
        self.assertEqual(self.answer(waits), NOT_AVAILABLE)
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(self.slot.state().condition, "paused")

    def test_stopInPause(self) -> None:
        """After a stop, no timer is active."""
        self.again(bounds=Bounds(serviceMax=1))
        for _ in range(2):
            self.ask(b"x\r\n")
        self.assertIsNotNone(self.slot.state().until)
        self.slot.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_ready(self) -> None:
        """The state has whether a warm process is ready, for a warm service."""
        self.assertIsNone(self.slot.state().ready)
        self.again(warm=KEPT)
        self.assertIs(self.slot.state().ready, False)
        self.slot.stop()
        self.assertIsNone(self.slot.state().ready)

    def test_neverServed(self) -> None:
        """A service that was not served is not logged as closed."""
        slot = PortlessSlot(makePortless(), self.runtime)
        slot.bind()
        slot.stop()
        self.assertEqual(self.logged("close"), [])

    def test_descriptors(self) -> None:
        """No descriptor of served or refused clients is leaked."""
        before = openDescriptors()
        for sent in (b"x\r\n", b"nix\r\n", b"help\r\n"):
            self.ask(sent).close()
        self.launcher.last.start().end()
        self.assertEqual(openDescriptors(), before)
