# -*- test-case-name: inetdtw.helpers.warm.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The standard streams of a child."""

from __future__ import annotations

import _io
import posix
import sys

from inetdtw.helpers.warm.library import VERSION
from inetdtw.helpers.warm.process import quietly, useSockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StandardStreams:
    """
    C{sys.stdin}, C{sys.stdout} and C{sys.stderr}, as the interpreter makes them.

    The objects stay the same, because preloaded modules can refer to them.
    """

    #: The file types of sockets and pipes, which never seek and are no terminals.
    _STEADY = (0o140000, 0o010000)

    def __init__(self) -> None:
        """Take the streams that C{sys} has."""
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._kinds: list[Any] = [None, None, None]

    def _kind(self, fd: int) -> Any:
        """Return what a stream depends on: a false value if that is not known."""
        found = posix.fstat(fd)
        return found.st_mode & 0o170000 in self._STEADY and found.st_blksize

    def renew(self) -> None:
        """Initialize each stream again whose descriptor is of another kind now."""
        for fd in range(3):
            kind = self._kind(fd)
            if not kind or kind != self._kinds[fd]:
                self._make(self._streams[fd], fd)
                self._kinds[fd] = kind

    def flush(self) -> None:
        """Empty the buffers, and prepare the streams for a client's socket."""
        for stream in self._streams[1:]:
            quietly(stream, "flush")
        useSockets()
        self.renew()

    def _make(self, stream: Any, fd: int) -> None:
        buffer, unbuffered = stream.buffer, stream.write_through
        encoding, errors = stream.encoding, stream.errors
        # The raw stream that is there remembers whether it can seek.
        raw: Any = _io.FileIO(fd, "wb" if fd else "rb", closefd=False)
        raw.name = buffer.name
        if isinstance(buffer, _io.FileIO):
            buffer = raw
        else:
            size = raw._blksize
            buffer.__init__(raw, size if size > 1 else _io.DEFAULT_BUFFER_SIZE)
        lines = raw.isatty() or (fd == 2 and VERSION >= (3, 9))
        lines = lines and not unbuffered
        stream.__init__(buffer, encoding, errors, "\n", lines, unbuffered)
