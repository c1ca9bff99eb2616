# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Processes as proc(5) shows them; any of them may end while it is read."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: The seconds that a fork(2) and the execve(2) after it may take.
_PATIENCE = 10.0


def pids() -> list[int]:
    """Return the process ids of all processes; none without proc(5)."""
    if not os.path.isdir("/proc/self"):
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read(pid: int, name: str) -> str:
    """
    Return the contents of a file of a process.

    @param name: for example C{cmdline}.
    @return: an empty string when the process has ended, or the file is not readable.
    """
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stat(pid: int) -> tuple[str, int]:
    """Return the state of a process and its parent: C{X} and 0 when it has ended."""
    fields = read(pid, "stat").rpartition(") ")[2].split()
    return (fields[0], int(fields[1])) if fields else ("X", 0)


def status(pid: int) -> dict[str, str]:
    """Return the fields of the status of a process: none when it has ended."""
    return parseStatus(read(pid, "status"))


def parseStatus(text: str) -> dict[str, str]:
    """Return the fields of a status as proc(5) writes it."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def openFiles(pid: int) -> dict[int, str]:
    """Return what the file descriptors of a process refer to, by their numbers."""
    found = {}
    with suppress(FileNotFoundError, ProcessLookupError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def descriptors(running: Iterable[int]) -> int:
    """Return how many file descriptors some running processes have open."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in running)


def childrenOf(pid: int) -> Iterator[int]:
    """Return the children of a process, zombies too."""
    return (each for each in pids() if stat(each)[1] == pid)


def forkServers(pid: int) -> list[int]:
    """
    Return the process ids of the fork servers of a daemon.

    Wait for a child that was forked and has not called execve(2) yet.
    """
    own, until = read(pid, "cmdline"), time.monotonic() + _PATIENCE
    while True:
        lines = {child: read(child, "cmdline") for child in childrenOf(pid)}
        if not own or own not in lines.values() or time.monotonic() > until:
            return [pid for pid in lines if "/helpers/forkserver.py" in lines[pid]]
        time.sleep(0.001)


def programs(pid: int) -> list[int]:
    """
    Return the process ids of all programs of a daemon, zombies too.

    The daemon or its fork servers started them.
    """
    helpers = forkServers(pid)
    own = set(childrenOf(pid)).difference(helpers)
    return sorted(own.union(*map(childrenOf, helpers)))
