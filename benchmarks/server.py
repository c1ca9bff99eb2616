# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A superserver for the benchmark: what launches it with services."""

from __future__ import annotations

import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.service import Service

#: What every superserver and so every service finds in its environment.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}

#: Where a superserver's output goes, in the directory that it is launched with.
LOG = "log"

#: The first port that takes no privilege.
FIRST_UNPRIVILEGED = 1024


@dataclass(frozen=True)
class Launch:
    """
    How to start a superserver in the foreground.

    @ivar argv: the command line.
    @ivar env: what it needs in its environment beyond L{ENVIRONMENT}.
    @ivar user: who it is started as as a whole, if not the user of the benchmark.
    @ivar spoils: files outside its own directory that it overwrites.
    """

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    spoils: Sequence[Path] = ()

    def __str__(self) -> str:
        return shlex.join(self.argv)


class Server(ABC):
    """
    One superserver.

    @cvar name: what it is called in the tables.
    """

    name: str

    @abstractmethod
    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """
        Write the configuration of some services, and return how to start.

        @param directory: where files can be written, for this start alone.
        """

    def unsupported(self, services: Sequence[Service]) -> str:
        """Return why it does not support these services, or C{None}."""
        if os.geteuid() == 0:
            return ""
        if any(service.port < FIRST_UNPRIVILEGED for service in services):
            return "the port of an internal service: needs root"
        return ""
