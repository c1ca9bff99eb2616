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


def trace(files: "dict[str, str]", notes: str, resume: int) -> None:
    """
    Begin.

    @param files: the files that matter, by what their code is called.
    @param notes: what to append C{file<TAB>line<TAB>line} to; a negative number is
        that of the line in which a function begins, before its first line and behind
        its last one.
    @param resume: the number of the operation C{RESUME}, at which functions begin (its
        argument is 0 then), and generators go on.
    """
    known = set()
    # The line before, of each function that runs.
    lines: dict[Any, int] = {}

    def note(file: str, before: int, line: int) -> None:
        if (file, before, line) in known:
            return
        known.add((file, before, line))
        try:
            fd = posix.open(notes, posix.O_WRONLY | posix.O_APPEND | posix.O_CLOEXEC)
        except OSError:
            # Another root directory, or no descriptor left.
            return
        try:
            posix.write(fd, f"{file}\t{before}\t{line}\n".encode())
        except OSError:
            pass  # A limit on the size of files.
        finally:
            posix.close(fd)

    def event(frame: "Any", what: str, argument: object) -> "Any":
        own = frame.f_code
        file = files.get(own.co_filename)
        if file is None:
            return None
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
    # A program is to find what it would find without this.
    sys.gettrace = lambda: None
