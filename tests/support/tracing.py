# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Note which lines of files follow each other, in a process that imports nothing.

Such a process changes its user, forks, or is killed. L{tests.support.measuring} has the
text of this file executed there. Each new pair of lines is appended to a file at once.
The file is opened only for that: no descriptor stays open, and nothing is lost however
the process ends.
"""

import posix
import sys

# What is imported here is there to be seen.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def append(notes: str, text: str) -> None:
    """Append a line to a file, which may fail in the process that is traced."""
    try:
        fd = posix.open(notes, posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC)
    except OSError:
        # Another root directory, or no descriptor left.
        return
    try:
        posix.write(fd, text.encode())
    except OSError:
        pass  # A limit on the size of files.
    finally:
        posix.close(fd)


def trace(files: "dict[str, str]", notes: str, resume: int) -> None:
    """
    Trace this process.

    @param files: the files, by what their code is called.
    @param notes: what to append C{file<TAB>line<TAB>line} to; a negative number is
        that of the line in which a function begins, before its first and behind its
        last one.
    @param resume: the operation C{RESUME}, at which functions begin and generators go
        on; its argument is 0 for a function.
    """
    known = set()
    # The line before, of each function that runs.
    lines: dict[Any, int] = {}

    def note(file: str, before: int, line: int) -> None:
        if (file, before, line) not in known:
            known.add((file, before, line))
            append(notes, f"{file}\t{before}\t{line}\n")

    def event(frame: "Any", what: str, argument: object) -> "Any":
        own = frame.f_code
        if own.co_filename not in files:
            return None
        file = files[own.co_filename]
        operations, last, first = own.co_code, frame.f_lasti, -own.co_firstlineno
        if what == "call":
            lines[frame] = frame.f_lineno if operations[last + 1] else first
        elif what == "line":
            note(file, lines[frame], frame.f_lineno)
            lines[frame] = frame.f_lineno
        elif what == "return":
            before = lines.pop(frame)
            following = operations[last + 2 : last + 3]
            if not following or following[0] != resume:
                note(file, before, first)
        return event

    sys.settrace(event)
    sys.gettrace = lambda: None  # as without this
