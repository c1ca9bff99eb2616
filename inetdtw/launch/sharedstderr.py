# -*- test-case-name: inetdtw.launch.test.test_sharedstderr -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{stderr = log} of a delegated C{wait} service: one pipe for all of its programs.

A helper process starts these programs, one at a time, so it has the pipe beforehand.
"""

from __future__ import annotations

from typing import Callable

from inetdtw.launch.stderr import StderrReader


class SharedStderrReader(StderrReader):
    """
    Reads the standard error output of programs that run in turn.

    What a background child writes is logged as output of the last program.
    """

    _running = 0
    _retired = False

    def start(
        self, log: Callable[[str], object], suppressed: Callable[[int], bool] = bool
    ) -> None:
        """
        Log what is read from now on as output of a program that was started.

        @param log: as for L{StderrReader.start}.
        @param suppressed: likewise.
        """
        self._running += 1
        self._log = log
        self._suppressed = suppressed
        if self._reading >= 0 and not self._timer.active:
            self._reactor.addReader(self)

    def finish(self) -> None:
        """Log what is in the pipe, up to a bound, as the program has exited."""
        self._running -= 1
        if self._retired:
            self._finishLast()
            return
        if self._reading >= 0:
            self._readRest()

    def _readRest(self) -> None:
        """Log what is in the pipe, and complete the last line."""
        if not (self._timer.active or self._lines.partial or self._read()):
            # As after nearly all programs.
            return
        most = self._passAll()
        if most:
            self._waiting = self._lines.feed(b"\n")
            most = self._pass(most)
        self._continue(most)

    def retire(self) -> None:
        """Close the pipe when no program runs, as no more are started."""
        self._retired = True
        self._finishLast()

    def _finishLast(self) -> None:
        if not self._running and self._reading >= 0:
            super().finish()
