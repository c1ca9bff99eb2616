# -*- test-case-name: inetdtw.launch.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{stderr = log}: log the standard error output of programs, line by line.

Descriptor 2 of the program is a pipe that is open for reading and writing.  So a
program that outlives the daemon gets no SIGPIPE: the daemon, when it stops, makes the
pipe non-blocking, and writes that do not fit fail.

Logging a line costs far more than writing one.  So only some lines are logged in one
reactor iteration.  Until the others are, nothing is read, and the writer blocks.

A service that is over its rate of lines (L{inetdtw.log.rate}) does not block: its lines
are read, counted and left out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.system.descriptors import Claim
from inetdtw.system.timer import Timer
from inetdtw.text import printable

#: The most characters of one line; a longer line is divided.
LONGEST = 1000
#: The most bytes of one read, so that other services are not delayed.
BATCH = 4096
#: The most lines of all programs in one reactor iteration, for the same reason; each
#: program may have at least one.
LINES = 64
#: The most lines, and the most bytes, that are read when a program has exited.
LAST, CAPACITY = 32, 1 << 16
#: The seconds between two reads of lines that are left out, so that a program that
#: writes without end does not use all CPU time.
PAUSE = 0.01


class Lines:
    """Divides a stream of bytes into lines."""

    def __init__(self) -> None:
        """Start with an empty line."""
        self._rest = b""

    @property
    def partial(self) -> bool:
        """Whether the last line has no end yet."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[str]:
        """
        Return the lines that are complete now, and the parts of longer ones.

        An end of line completes the last one.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(None, lines):
            yield from _parts(line)
        while len(self._rest) > LONGEST:
            part, self._rest = self._rest[:LONGEST], self._rest[LONGEST:]
            yield from _parts(part)

    def skip(self, data: bytes) -> int:
        """
        Leave lines out.

        @return: the number of lines that L{feed} would have returned, about.
        """
        _, _, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest[-LONGEST:]
        return data.count(b"\n") + len(rest) // (LONGEST + 1)


def _parts(line: bytes) -> Iterator[str]:
    """Return a line in printable parts."""
    text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    for start in range(0, len(text), LONGEST):
        yield printable(text[start : start + LONGEST])


@implementer(IReadDescriptor)
class StderrReader:
    """
    Reads the standard error output of one program.

    @ivar writeEnd: the descriptor for the program's 2, which this owns.
    """

    def __init__(
        self,
        reactor: Any,
        others: set[StderrReader],
        uid: int = -1,
        claim: Claim | None = None,
    ) -> None:
        """
        Make a pipe.

        @param others: all such readers; this is one of them until it is closed.
        @param uid: the program's user, who may open C{/dev/stderr}.
        @param claim: counts both ends of the pipe; this releases it.

        @raise OSError: if descriptors are short.
        """
        self._reactor = reactor
        self._others = others
        self._claim = claim
        self._lines = Lines()
        self._waiting: Iterator[str] = iter(())
        self._timer = Timer(reactor)
        self._over = False
        self._log: Callable[[str], object] | None = None
        # For the lines that were read: a shared pipe may have the next program now.
        self._logRead: Callable[[str], object] | None = None
        self._suppressed: Callable[[int], bool] = bool
        self._skipping = False
        self._reading, self.writeEnd = _pipe()
        with contextlib.suppress(OSError):
            os.fchown(self.writeEnd, uid, -1)
        others.add(self)

    def start(
        self, log: Callable[[str], object], suppressed: Callable[[int], bool] = bool
    ) -> None:
        """
        Read, as the program runs.

        @param log: called with each line; returns C{False} if it was suppressed, and
            the next ones are to be.
        @param suppressed: called then with the number of suppressed lines, which may be
            0; returns whether the next ones are to be, too.
        """
        self._log = log
        self._suppressed = suppressed
        self._reactor.addReader(self)

    def finish(self) -> None:
        """
        Log what is in the pipe, up to a bound, as the program has exited.

        Called also when it could not be started.  Background children may have the pipe
        still.  It is read until the descriptor is needed for something else, and their
        writes do not block.
        """
        self._closeWriteEnd()
        if self._log is None:
            self._close()
            return
        self._continue(self._passAll())
        if self._reading >= 0 and self._claim is not None:
            self._claim.leftBehind(self.leave)

    def _passAll(self) -> int:
        """
        Log what is in the pipe, up to a bound.

        @return: how many more lines could have been logged; if 0, some may be left.
        """
        most = self._pass(LAST)
        for _ in range(CAPACITY // BATCH):
            if not most or not self._read():
                break
            most = self._pass(most)
        return most

    def leave(self) -> None:
        """Close the pipe, as the daemon stops; writes of programs do not block."""
        self._closeWriteEnd()
        self._waiting = chain(self._waiting, self._lines.feed(b"\n"))
        self._pass(LAST)
        self._close()

    def _read(self) -> bool:
        """
        Read some lines, when all lines that were read before are logged.

        @return: whether lines, or the end, were read.
        """
        if self._over:
            return False
        self._skipping = self._skipping and self._suppressed(0)
        try:
            data = os.read(self._reading, CAPACITY if self._skipping else BATCH)
        except BlockingIOError:
            return False
        self._over = not data
        self._logRead = self._log
        if self._skipping:
            self._suppressed(self._lines.skip(data))
        else:
            self._waiting = self._lines.feed(data or b"\n")
        return True

    def _pass(self, most: int) -> int:
        """
        Log lines that were read.

        @param most: the most lines.

        @return: how many more could have been logged; if 0, some may be left.
        """
        for line in islice(self._waiting, most):
            most -= 1
            assert self._logRead is not None
            if self._logRead(line) is False:
                # Those that were read already are left out, too.
                self._skipping = True
                self._suppressed(sum(1 for _ in self._waiting))
        return most

    def _logBatch(self) -> None:
        """Log as many lines as one program may have in a reactor iteration."""
        self._continue(self._pass(max(1, LINES // len(self._others))))

    def _continue(self, most: int) -> None:
        """
        Wait for more to read, or for the next reactor iteration.

        @param most: how many more lines could have been logged.
        """
        self._timer.cancel()
        if self._over and most:
            self._close()
        elif not most or self._skipping:
            self._reactor.removeReader(self)
            pause = PAUSE if self._skipping else 0
            self._timer.start(pause, self._again)
        else:
            self._reactor.addReader(self)

    def _again(self) -> None:
        if self._skipping and not self._read():
            self._reactor.addReader(self)
        else:
            self._logBatch()

    def _closeWriteEnd(self) -> None:
        """Close the write end, and make the pipe non-blocking for other writers."""
        if self.writeEnd >= 0:
            os.set_blocking(self.writeEnd, False)
            os.close(self.writeEnd)
            self.writeEnd = -1
            if self._claim is not None:
                self._claim.releaseSome(1)

    def _close(self) -> None:
        """Close the pipe."""
        if self._reading >= 0:
            self._timer.cancel()
            self._over = True
            self._waiting = iter(())
            self._reactor.removeReader(self)
            os.close(self._reading)
            self._reading = -1
            if self._claim is not None:
                self._claim.release()
            self._others.discard(self)

    def fileno(self) -> int:
        """Return the descriptor that is read."""
        return self._reading

    def doRead(self) -> None:
        """Read and log lines, or notice the end."""
        if self._read():
            self._logBatch()

    def connectionLost(self, reason: Failure) -> None:
        """Close the pipe, as the reactor stops."""
        self.leave()

    def logPrefix(self) -> str:
        """Return the name of this reader for the reactor."""
        return "standard error"


def _pipe() -> tuple[int, int]:
    """
    Return a pipe whose write end is open for reading, too, where that is supported.

    A writer gets no SIGPIPE then, because it is a reader, too.

    @raise OSError: if descriptors are short.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    path = f"/proc/self/fd/{writing}"
    if not os.path.exists(path):
        return reading, writing
    try:
        return reading, os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
