# -*- test-case-name: inetdtw.cli.test.test_keys -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Keys of a terminal, which are read one by one and not echoed."""

from __future__ import annotations

import os
import re
import select
import termios
from contextlib import suppress
from typing import Any

UP, DOWN, PAGE_UP, PAGE_DOWN = "up", "down", "page up", "page down"
HOME, END, QUIT = "home", "end", "quit"

#: The keys of characters and of escape sequences (ECMA-48, xterm).
_MEANINGS = {
    **{"k": UP, "A": UP, "j": DOWN, "B": DOWN, "\n": DOWN, "\r": DOWN},
    **{"b": PAGE_UP, "5~": PAGE_UP, " ": PAGE_DOWN, "6~": PAGE_DOWN},
    **{"g": HOME, "H": HOME, "1~": HOME, "7~": HOME},
    **{"G": END, "F": END, "4~": END, "8~": END},
    **{"q": QUIT, "Q": QUIT, "\x04": QUIT},
}
_SEQUENCE = re.compile(r"\x1b[\[O]([0-9;]*[A-Za-z~])|([^\x1b])|\x1b")
#: The start of a sequence whose end was not read yet.
_PARTIAL = re.compile(r"\x1b(?:[\[O][0-9;]*)?\Z")


class Keyboard:
    """The keys of a terminal, if a file descriptor is one."""

    def __init__(self, fd: int) -> None:
        """@param fd: the terminal, usually 0; anything else has no keys."""
        self._fd = fd
        self._usual: list[Any] | None = None
        self._rest = ""

    def start(self) -> None:
        """Have the terminal pass on each key, without an echo."""
        if not os.isatty(self._fd):
            return
        with suppress(OSError, termios.error):
            mode = termios.tcgetattr(self._fd)
            if self._usual is None:
                self._usual = list(mode)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._fd, termios.TCSADRAIN, mode)

    def stop(self) -> None:
        """Restore the terminal, unless it has gone."""
        usual, self._usual = self._usual, None
        if usual is not None:
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._fd, termios.TCSADRAIN, usual)

    def wait(self, seconds: float) -> list[str]:
        """
        Wait for keys.

        @param seconds: the timeout.

        @return: the keys, or nothing at the timeout.
        """
        watched = [] if self._usual is None else [self._fd]
        if not select.select(watched, [], [], max(0.0, seconds))[0]:
            return []
        try:
            data = os.read(self._fd, 1024)
        except OSError:
            data = b""
        return self._keys(data.decode("latin-1")) if data else [QUIT]

    def _keys(self, text: str) -> list[str]:
        """Return the keys in what was read; ignore all others."""
        text = self._rest + text
        partial = _PARTIAL.search(text)
        self._rest = text[partial.start() :] if partial else ""
        text = text[: len(text) - len(self._rest)]
        found = []
        for sequence, character in _SEQUENCE.findall(text):
            # A capital letter is a key only in a sequence, but for G and Q.
            known = sequence or (character if character not in "ABHF" else "")
            found.append(_MEANINGS.get(known, ""))
        return [key for key in found if key]
