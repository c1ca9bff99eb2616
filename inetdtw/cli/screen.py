# -*- test-case-name: inetdtw.cli.test.test_screen -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Draw repeatedly: in place on a terminal, and one below the other elsewhere.

On a terminal signals are blocked, except while the screen is drawn and while keys are
awaited.  There the handlers raise an exception, so that the terminal is always
restored, and a resize draws at once.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Optional, TextIO

from inetdtw.cli.keys import DOWN, END, HOME, PAGE_DOWN, PAGE_UP, QUIT, UP, Keyboard
from inetdtw.cli.output import write
from inetdtw.cli.page import Line, Page, drawn, hasColours

#: Enter and leave the alternate screen, without a cursor.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
#: Go to the first line; clear the rest of a line; clear the lines below.
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
#: The signals that end it, and those after which a terminal is drawn again.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DRAWING = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)

_Draw = Callable[[Optional[int]], Page]


class _Received(BaseException):
    """A signal was received; the argument is its number."""


def watch(
    draw: _Draw,
    interval: float,
    stream: TextIO,
    sleep: Callable[[float], None] = time.sleep,
    keyboard: Keyboard | None = None,
) -> None:
    """
    Draw repeatedly, until SIGINT, SIGTERM, SIGHUP or the key C{q}.

    @param draw: returns a page for a width in characters, or C{None} for any.
    @param interval: in seconds.
    @param stream: a terminal, or not.
    @param keyboard: the keys of the terminal, by default standard input.
    """
    if stream.isatty():
        Screen(draw, interval, stream, keyboard or Keyboard(0)).run()
        return
    try:
        with _raising(_ENDING):
            while True:
                write(_text(draw(None)), stream)
                sleep(interval)
                write(os.linesep, stream)
    except (KeyboardInterrupt, _Received):
        pass  # This is how watching ends.


def _text(page: Page) -> str:
    return "".join(line.text + os.linesep for line in page.lines)


@contextmanager
def _raising(numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """
    Raise L{_Received} for signals.

    The exception of a signal replaces that of one before it, so it has the number of
    one that ends, once there was one.
    """
    received: list[int] = []

    def raise_(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise _Received(next((each for each in received if each in _ENDING), number))

    before = {number: signal.signal(number, raise_) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _mask(how: int, numbers: Sequence[signal.Signals]) -> Iterator[None]:
    """Block or unblock signals."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # A handler of a signal that was pending may raise an exception.
        signal.pthread_sigmask(how, numbers)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Screen:
    """A page on a terminal, which keys scroll."""

    def __init__(
        self, draw: _Draw, interval: float, stream: TextIO, keyboard: Keyboard
    ) -> None:
        """Draw nothing before L{run}."""
        self._draw = draw
        self._interval = interval
        self._stream = stream
        self._keyboard = keyboard
        self._colours = hasColours(stream)
        self._page = Page()
        self._top = 0
        self._due = 0.0

    def run(self) -> None:
        """Draw until it is ended."""
        every = (*_ENDING, *_DRAWING)
        with _mask(signal.SIG_BLOCK, every), _raising(every):
            try:
                while self._runUntilSignal(every):
                    pass
            finally:
                self._leave()

    def _runUntilSignal(self, every: Sequence[signal.Signals]) -> bool:
        """
        Draw until there is a signal or the last key.

        @return: whether to continue.
        """
        try:
            with _mask(signal.SIG_UNBLOCK, every):
                write(_ENTER, self._stream)
                self._keyboard.start()
                self._due = 0.0
                while True:
                    self._show()
                    if not self._scroll(self._keyboard.wait(self._left())):
                        return False
        except (KeyboardInterrupt, _Received) as why:
            number = why.args[0] if why.args else signal.SIGINT
        if number == signal.SIGTSTP:
            self._stop()
        return number not in _ENDING

    def _left(self) -> float:
        return self._due - time.monotonic()

    def _leave(self) -> None:
        self._keyboard.stop()
        write(_LEAVE, self._stream)

    def _stop(self) -> None:
        """Restore the terminal, and stop until SIGCONT."""
        self._leave()
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        with _mask(signal.SIG_UNBLOCK, (signal.SIGTSTP,)):
            pass  # It stops here.
        signal.signal(signal.SIGTSTP, handler)

    def _show(self) -> None:
        """Draw the page, a new one if it is time for that."""
        width, height = shutil.get_terminal_size()
        if self._left() <= 0:
            self._page = self._draw(width)
            self._due = time.monotonic() + self._interval
        lines = self._visible(height)
        text = f"{_CLEAR_LINE}\r\n".join(
            drawn(line, self._colours, width) for line in lines
        )
        write(f"{_HOME}{text}{_CLEAR_LINE}{_CLEAR_BELOW}", self._stream)

    def _visible(self, height: int) -> list[Line]:
        """Return the lines that fit; the last one says which these are."""
        page = self._page
        if len(page.lines) <= height:
            self._top = 0
            return list(page.lines)
        room, last = self._room(height), len(page.body)
        self._top = max(0, min(self._top, last - room))
        shown = page.body[self._top : self._top + room]
        where = f"lines {self._top + 1}-{self._top + len(shown)} of {last}"
        head = page.head if len(page.head) < height - 1 else ()
        return [*head, *shown, Line(f"{where}; arrows scroll, q quits")]

    def _room(self, height: int) -> int:
        """Return how many lines can be scrolled at a time."""
        head = len(self._page.head)
        return max(1, height - 1 - (head if head < height - 1 else 0))

    def _scroll(self, keys: Sequence[str]) -> bool:
        """
        Scroll by some keys.

        @return: whether to continue.
        """
        room = self._room(shutil.get_terminal_size().lines)
        steps = {UP: -1, DOWN: 1, PAGE_UP: -room, PAGE_DOWN: room}
        for key in keys:
            if key == QUIT:
                return False
            self._top = {HOME: 0, END: len(self._page.body)}.get(
                key, self._top + steps.get(key, 0)
            )
            self._top = max(0, min(self._top, len(self._page.body) - room))
        return True
