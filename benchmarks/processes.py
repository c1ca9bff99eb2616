# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The processes of a daemon, read from proc(5)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection, Iterator
from pathlib import Path

PROC = Path("/proc")

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)
_TICK = os.sysconf("SC_CLK_TCK")


def adoptOrphans() -> None:
    """
    Make this process the subreaper of its descendants.

    So none of them is left behind unnoticed.
    """
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def dieWithParent() -> None:
    """Set PR_SET_PDEATHSIG, between fork and exec."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _fields(pid: int) -> list[str]:
    """
    Read C{/proc/PID/stat} from the third field on.

    @raise OSError: if the process does not exist.
    """
    text = (PROC / str(pid) / "stat").read_text(errors="replace")
    return text[text.rindex(")") + 2 :].split()


def _parents() -> Iterator[tuple[int, int]]:
    """Return the pids of all processes but zombies, with those of their parents."""
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):
            fields = _fields(int(entry))
            if fields[0] not in "ZX":
                yield int(entry), int(fields[1])


def tree(root: int) -> frozenset[int]:
    """Return a process and all its descendants except zombies."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = {root}
    new = [root]
    while new:
        new = [child for pid in new for child in children.get(pid, ())]
        found.update(new)
    return frozenset(found)


def cpuSeconds(pids: Collection[int]) -> float:
    """
    Return the CPU time of processes without their exited children.

    The scheduler's own count is read, in nanoseconds, else C{utime} and C{stime},
    which come in hundredths of a second.
    """
    return sum(_cpuOf(pid) for pid in pids)


def _cpuOf(pid: int) -> float:
    """Return the CPU seconds of one process; 0 if it has exited."""
    try:
        tasks = list((PROC / str(pid) / "task").iterdir())
        return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9
    except (OSError, IndexError):
        pass
    try:
        fields = _fields(pid)
        return (int(fields[11]) + int(fields[12])) / _TICK
    except OSError:
        return 0.0


def memory(pids: Collection[int], row: str = "Pss:") -> float:
    """
    Return the resident memory of processes in MiB.

    @param row: C{"Pss:"} to count a page that several processes share once, or
        C{"Rss:"} to count it for each.
    """
    return sum(_memoryOf(pid, row) for pid in pids) / 1024


def _memoryOf(pid: int, row: str) -> int:
    """Read one row of C{/proc/PID/smaps_rollup} in KiB, 0 if it cannot be read."""
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith(row):
                return int(line.split()[1])
    return 0


def settled(root: int, timeout: float = 3.0) -> frozenset[int]:
    """Wait until a process tree is stable, and return it."""
    deadline = time.monotonic() + timeout
    same, last = 0, tree(root)
    while same < 4 and time.monotonic() < deadline:
        time.sleep(0.03)
        now = tree(root)
        same = same + 1 if now == last else 0
        last = now
    return last


def killChildren(timeout: float = 10.0) -> int:
    """
    Kill all children of this process, and return their number.

    Together with L{adoptOrphans} this reaches each process that was started from here
    and whose own parents have ended.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        children = [pid for pid, parent in _parents() if parent == os.getpid()]
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed.update(children)
        if not _reap() and not children:
            break
        time.sleep(0.01)
    return len(killed)


def _reap() -> bool:
    """Reap all exited children, and return whether one is left."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False
