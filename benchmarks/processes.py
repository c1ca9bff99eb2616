# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What C{/proc} tells about the processes of a daemon."""

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
    Make orphaned descendants children of this process.

    So none of them is left behind unnoticed.
    """
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def dieWithParent() -> None:
    """Have this process killed when its parent ends; for use between fork and exec."""
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
    """Name a process and everything that descends from it, zombies left out."""
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
    Sum up what processes have used themselves; their ended children do not count.

    The scheduler's own count is read, in nanoseconds, else C{utime} and C{stime},
    which come in hundredths of a second.
    """
    return sum(_cpuOf(pid) for pid in pids)


def _cpuOf(pid: int) -> float:
    """Tell the seconds that one process has used, none if it is gone."""
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
    Sum up resident memory in MiB.

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
    """Wait until no process of a tree comes or goes, and name those that stay."""
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
    Kill every child of this process until there is none, and say how many.

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
    """Collect every ended child, and say whether one is left."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    return False
