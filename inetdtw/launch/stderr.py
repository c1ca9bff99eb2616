# -*- test-case-name: inetdtw.launch.test.test_stderr -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{stderr = log}: what a program writes to its standard error, line by line.

The program's descriptor 2 is a pipe that it could read as well, and that the daemon
could write to.  So a program that outlives the daemon is not killed by what it has to
say: the daemon, when it stops, has the pipe refuse what does not fit.

A line of the log costs far more than to write two bytes into a pipe.  So only some
lines are passed on in one turn of the reactor, and the others in the next ones; until
then nothing more is read, and whoever writes on waits.

A service whose lines are over their rate (L{inetdtw.log.rate}) does not wait: what its
programs write is read, counted and left out.
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
from inetdtw.text import printable

#: The most characters of one line; a longer one becomes several.
LONGEST = 1000
#: The most bytes that are taken at once, so that other services have their turn.
BATCH = 4096
#: The most lines that all programs together have in one turn, for the same reason;
#: each of them has at least one.
LINES = 64
#: The most lines, and the most bytes, that a program still has when it ends.
LAST, CAPACITY = 32, 1 << 16
#: The seconds between two reads of what is left out, so that a program that writes
#: without end does not have the whole processor.
PAUSE = 0.01


class Lines:
    """Divides what comes in pieces into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that are complete now, and the parts of what is too long for one."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in filter(None, lines):
            yield from _parts(line)
        while len(self._rest) > LONGEST:
            part, self._rest = self._rest[:LONGEST], self._rest[LONGEST:]
            yield from _parts(part)

    def skip(self, data: bytes) -> int:
        """
        Leave lines out.

        @return: how many: those that are complete now, and the parts of what is too
            long for one.
        """
        _, _, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest[-LONGEST:]
        return data.count(b"\n") + len(rest) // (LONGEST + 1)

    def end(self) -> Iterator[str]:
        """What is left without an end of line."""
        rest, self._rest = self._rest, b""
        yield from _parts(rest)


def _parts(line: bytes) -> Iterator[str]:
    """A line as text that is safe to show, in parts; nothing if it is empty."""
    text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    for start in range(0, len(text), LONGEST):
        yield printable(text[start : start + LONGEST])


@implementer(IReadDescriptor)
class StderrReader:
    """
    Reads what one program writes to its standard error.

    @ivar writeEnd: the descriptor that is to become the program's 2.
    """

    def __init__(
        self,
        reactor: Any,
        others: set[StderrReader],
        uid: int = -1,
        claim: Claim | None = None,
    ) -> None:
        """
        @param others: it is among these until all is read.
        @param uid: who the program runs as, if it is another user, and might want to
            open C{/dev/stderr}.
        @param claim: counts both ends of the pipe; they are given back here.

        @raise OSError: if there are no descriptors left.
        """
        self._reactor = reactor
        self._others = others
        self._claim = claim
        self._lines = Lines()
        self._waiting: Iterator[str] = iter(())
        self._later: Any = None
        self._over = False
        self._say: Callable[[str], object] | None = None
        self._leaveOut: Callable[[int], bool] = bool
        self._skipping = False
        self._reading, self.writeEnd = _pipe()
        with contextlib.suppress(OSError):
            os.fchown(self.writeEnd, uid, -1)
        others.add(self)

    def start(
        self, say: Callable[[str], object], leaveOut: Callable[[int], bool] = bool
    ) -> None:
        """
        The program runs.

        @param say: called with each line; returns C{False} if it was left out, as
            those are to be that come now.
        @param leaveOut: called then with how many more were left out, which may be
            none; returns whether those that come now are to be left out.
        """
        self._say = say
        self._leaveOut = leaveOut
        self._reactor.addReader(self)

    def finish(self) -> None:
        """
        The program has ended, or could not be started: take what there is, as far as
        that is not very much.  If others have its standard error as well, they can go
        on, and are heard until the descriptor is needed for something else.  They do
        not wait for a reader: what does not fit into the pipe is refused.
        """
        self._refuseMore()
        self._letGo()
        if self._say is None:
            self._close()
            return
        most = self._pass(LAST)
        for _ in range(CAPACITY // BATCH):
            if not most or not self._read():
                break
            most = self._pass(most)
        self._goOn(most)
        if self._reading >= 0 and self._claim is not None:
            self._claim.leftBehind(self)

    def leave(self) -> None:
        """The daemon stops: let the program, which may go on, not wait for a reader."""
        self._refuseMore()
        self._letGo()
        self._waiting = chain(self._waiting, self._lines.end())
        self._pass(LAST)
        self._close()

    def _read(self) -> bool:
        """
        Read some of what was written, when all that was read before is passed on.

        @return: whether there was anything.
        """
        if self._over:
            return False
        self._skipping = self._skipping and self._leaveOut(0)
        try:
            data = os.read(self._reading, CAPACITY if self._skipping else BATCH)
        except BlockingIOError:
            return False
        self._over = not data
        if self._skipping:
            self._leaveOut(self._lines.skip(data))
        else:
            self._waiting = self._lines.feed(data) if data else self._lines.end()
        return True

    def _pass(self, most: int) -> int:
        """
        Pass on lines that were read.

        @param most: how many.

        @return: how many more it could have been; if none, some may be left.
        """
        for line in islice(self._waiting, most):
            most -= 1
            assert self._say is not None
            if self._say(line) is False:
                self._skip()
        return most

    def _skip(self) -> None:
        """Leave out what comes now, and what was read already."""
        self._skipping = True
        self._leaveOut(sum(1 for _ in self._waiting))

    def _turn(self) -> None:
        """Pass on what is its share of one turn."""
        self._goOn(self._pass(max(1, LINES // len(self._others))))

    def _goOn(self, most: int) -> None:
        """
        See to it that there is a next turn.

        @param most: how many more lines could have been passed on.
        """
        self._calm()
        if self._over and most:
            self._close()
        elif not most or self._skipping:
            self._reactor.removeReader(self)
            pause = PAUSE if self._skipping else 0
            self._later = self._reactor.callLater(pause, self._again)
        else:
            self._reactor.addReader(self)

    def _again(self) -> None:
        """It is the next turn."""
        self._later = None
        if self._skipping and not self._read():
            self._reactor.addReader(self)
        else:
            self._turn()

    def _calm(self) -> None:
        """Wait for no turn."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _refuseMore(self) -> None:
        """Have the pipe refuse what does not fit into it, instead of have its writer wait."""
        if self.writeEnd >= 0:
            os.set_blocking(self.writeEnd, False)

    def _letGo(self) -> None:
        """Have only programs write from now on."""
        if self.writeEnd >= 0:
            os.close(self.writeEnd)
            self.writeEnd = -1
            if self._claim is not None:
                self._claim.giveSome(1)

    def _close(self) -> None:
        """Read no more."""
        if self._reading >= 0:
            self._calm()
            self._over = True
            self._waiting = iter(())
            self._reactor.removeReader(self)
            os.close(self._reading)
            self._reading = -1
            if self._claim is not None:
                self._claim.give()
            self._others.discard(self)

    def fileno(self) -> int:
        """The end of the pipe that is read."""
        return self._reading

    def doRead(self) -> None:
        """The program has written something, or nobody has the other end any more."""
        if self._read():
            self._turn()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops."""
        self.leave()

    def logPrefix(self) -> str:
        """The name of this reader for the reactor."""
        return "standard error"


def _pipe() -> tuple[int, int]:
    """
    Make a pipe whose second end both reads and writes, where the system can: whoever
    has such an end is never told that nobody reads.

    @raise OSError: if there are no descriptors left.
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
