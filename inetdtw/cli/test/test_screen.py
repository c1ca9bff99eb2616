# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.screen}."""

from __future__ import annotations

import io
import os
import shutil
import signal
import time
from typing import Any, Callable

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import screen
from inetdtw.cli.keys import DOWN, END, HOME, PAGE_DOWN, PAGE_UP, QUIT, UP, Keyboard
from inetdtw.cli.page import RED, Line, Page

ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


class Terminal(io.StringIO):
    """A stream that is a terminal, or not."""

    def __init__(self, isTerminal: bool) -> None:
        """@param isTerminal: whether it is one."""
        super().__init__()
        self._is = isTerminal

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._is


class FakeKeyboard(Keyboard):
    """
    A keyboard with the keys of a test.

    @ivar events: what the next calls of C{wait} return or call; then Ctrl-C.
    @ivar calls: the other calls.
    @ivar waited: the timeouts.
    """

    def __init__(self, *events: Any) -> None:
        """@param events: keys with commas between, or functions."""
        super().__init__(0)
        self.events = list(events)
        self.calls: list[str] = []
        self.waited: list[float] = []

    def start(self) -> None:
        """Record the call."""
        self.calls.append("start")

    def stop(self) -> None:
        """Record the call."""
        self.calls.append("stop")

    def wait(self, seconds: float) -> list[str]:
        """Return the next keys."""
        self.waited.append(seconds)
        event = self.events.pop(0) if self.events else send(signal.SIGINT)
        if callable(event):
            event()
            return []
        return str(event).split(",")


def send(number: int) -> Callable[[], None]:
    """Return what sends a signal to this process."""
    return lambda: os.kill(os.getpid(), number)


class ScreenTestCase(SynchronousTestCase):
    """A test of a terminal of 40 columns and 6 lines."""

    def setUp(self) -> None:
        """Set the size, and a clock that stands still."""
        self.size = (40, 6)
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size(self.size))
        self.patch(os, "environ", {"TERM": "xterm"})
        self.now = 100.0
        self.patch(time, "monotonic", lambda: self.now)
        self.widths: list[int | None] = []
        self.page = Page((Line("one"),), (Line("two", RED),))

    def draw(self, width: int | None) -> Page:
        """Return the page."""
        self.widths.append(width)
        return self.page

    def watch(self, *events: Any) -> str:
        """Return what a terminal gets when these keys are pressed."""
        self.keyboard = FakeKeyboard(*events)
        terminal = Terminal(True)
        screen.watch(self.draw, 2.5, terminal, keyboard=self.keyboard)
        return terminal.getvalue()

    def screens(self, *events: Any) -> list[list[str]]:
        """Return the lines of each screen, without colours."""
        text = self.watch(*events).replace("\x1b[31m", "").replace("\x1b[m", "")
        _, *drawn = text.replace(LEAVE, "").replace(ENTER, "").split("\x1b[H")
        return [one.replace("\x1b[J", "").split("\x1b[K")[:-1] for one in drawn]


class DrawingTests(ScreenTestCase):
    """Tests for what is drawn, and for the state of the terminal."""

    def test_inPlace(self) -> None:
        """The alternate screen is used until Ctrl-C, and drawn after the interval."""
        text = self.watch(lambda: setattr(self, "now", self.now + 2.5))
        once = "\x1b[Hone\x1b[K\r\n\x1b[31mtwo\x1b[m\x1b[K\x1b[J"
        self.assertEqual(text, ENTER + once * 2 + LEAVE)
        self.assertEqual((self.widths, self.keyboard.waited), ([40, 40], [2.5, 2.5]))
        self.assertEqual(self.keyboard.calls, ["start", "stop"])

    def test_noColour(self) -> None:
        """C{NO_COLOR} is heeded."""
        self.patch(os, "environ", {"TERM": "xterm", "NO_COLOR": "1"})
        self.assertNotIn("\x1b[31m", self.watch())

    def test_ends(self) -> None:
        """Signals and the key C{q} end it; handlers and mask are restored."""
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGTSTP)
        before = list(map(signal.getsignal, numbers))
        for event in (*map(send, numbers[:3]), QUIT):
            text = self.watch(event, self.fail)
            self.assertTrue(text.endswith(LEAVE))
            self.assertEqual(self.keyboard.calls, ["start", "stop"])
            self.assertEqual(list(map(signal.getsignal, numbers)), before)
            now = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            self.assertEqual(now, blocked)

    def test_together(self) -> None:
        """A signal that comes with one that ends it does not replace it."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            for other in (signal.SIGCONT, signal.SIGWINCH):

                def both(pair: tuple[int, int] = (number, other)) -> None:
                    signal.pthread_sigmask(signal.SIG_BLOCK, pair)
                    for each in pair:
                        send(each)()
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, pair)

                self.watch(both, self.fail)

    def test_resized(self) -> None:
        """A resize draws at once, for the new width."""

        def resize() -> None:
            self.size = (50, 6)
            send(signal.SIGWINCH)()

        self.watch(resize)
        self.assertEqual(self.widths, [40, 50])

    def test_stopped(self) -> None:
        """Ctrl-Z restores the terminal before it stops, and then draws again."""
        calls: list[Any] = []

        def kill(pid: int, number: int) -> None:
            calls.append((number, signal.getsignal(number), list(self.keyboard.calls)))

        real = os.kill
        self.patch(os, "kill", kill)
        text = self.watch(lambda: real(os.getpid(), signal.SIGTSTP), QUIT)
        self.assertEqual(calls, [(signal.SIGTSTP, signal.SIG_DFL, ["start", "stop"])])
        self.assertEqual((text.count(ENTER), text.count(LEAVE)), (2, 2))
        self.assertEqual(self.keyboard.calls, ["start", "stop"] * 2)

    def test_pending(self) -> None:
        """A signal that was pending is handled with the others blocked again."""
        masks: list[Any] = []

        def stop(screen: Any) -> None:
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

        def both() -> None:
            # The first is delivered only when signals are unblocked again.
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTSTP,))
            send(signal.SIGTSTP)()
            send(signal.SIGWINCH)()

        self.patch(screen.Screen, "_stop", stop)
        self.watch(both)
        self.assertEqual([signal.SIGCONT in mask for mask in masks], [True])

    def test_continued(self) -> None:
        """After SIGCONT the terminal is set and drawn again."""
        text = self.watch(send(signal.SIGCONT))
        self.assertEqual(text.count(ENTER), 2)
        self.assertEqual(self.keyboard.calls, ["start", "start", "stop"])

    def test_failure(self) -> None:
        """After an exception, the terminal is restored."""
        terminal = Terminal(True)

        def fail(width: int | None) -> Page:
            raise ZeroDivisionError

        self.assertRaises(
            *(ZeroDivisionError, screen.watch, fail, 1, terminal),
            keyboard=FakeKeyboard(),
        )
        self.assertTrue(terminal.getvalue().endswith(LEAVE))

    def test_tooLong(self) -> None:
        """Lines are cut at the width of the terminal, with a mark."""
        self.page = Page((), (Line("n" * 40), Line("n" * 41)))
        self.assertEqual(self.screens(), [["n" * 40, "\r\n" + "n" * 39 + "+"]])


class ScrollTests(ScreenTestCase):
    """Tests for a page that is longer than the screen."""

    def setUp(self) -> None:
        """Make a page with a line that stays, and ten others."""
        super().setUp()
        self.page = Page((Line("head"),), tuple(Line(str(at)) for at in range(10)))

    def shown(self, *keys: str) -> str:
        """Return the first and the last line that is scrolled, after some keys."""
        lines = [line.strip() for line in self.screens(*keys)[-1]]
        self.assertEqual((lines[0], len(lines)), ("head", 6))
        first, last = lines[1], lines[-2]
        where = f"lines {int(first) + 1}-{int(last) + 1} of 10"
        self.assertEqual(lines[-1], f"{where}; arrows scroll, q quits")
        return f"{first}-{last}"

    def test_keys(self) -> None:
        """Each key scrolls, and none beyond the ends."""
        for keys, lines in (
            ((), "0-3"),
            ((DOWN,), "1-4"),
            ((f"{DOWN},{DOWN}", UP), "1-4"),
            ((UP,), "0-3"),
            ((PAGE_DOWN,), "4-7"),
            ((PAGE_DOWN, PAGE_DOWN), "6-9"),
            ((PAGE_DOWN, PAGE_DOWN, UP), "5-8"),
            ((END,), "6-9"),
            ((END, DOWN, UP), "5-8"),
            ((END, PAGE_UP), "2-5"),
            ((END, HOME), "0-3"),
        ):
            self.assertEqual(self.shown(*keys), lines, keys)
        self.assertEqual(self.widths, [40] * 11)

    def test_shorter(self) -> None:
        """A page that has become shorter is shown to its end."""

        def shorten() -> None:
            self.page = Page(self.page.head, self.page.body[:3])
            self.now += 3

        last = self.screens(END, shorten)[-1]
        self.assertEqual([line.strip() for line in last], ["head", "0", "1", "2"])

    def test_tiny(self) -> None:
        """A terminal of some lines shows lines without the head."""
        self.size = (40, 2)
        last = self.screens(DOWN)[-1]
        self.assertEqual(last[0], "1")
        self.assertIn("lines 2-2 of 10", last[1])


class PlainTests(ScreenTestCase):
    """Tests for a stream that is not a terminal."""

    def test_pages(self) -> None:
        """Pages have full width, no colours and no control characters."""
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 2:
                os.kill(os.getpid(), signal.SIGTERM)

        stream = Terminal(False)
        screen.watch(self.draw, 2.5, stream, sleep)
        self.assertEqual(stream.getvalue(), "one\ntwo\n\none\ntwo\n")
        self.assertEqual((self.widths, slept), ([None, None], [2.5, 2.5]))
