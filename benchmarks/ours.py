# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Start inetdtw itself, from the checkout of this benchmark."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.packages import Missing
from benchmarks.server import Launch, Server
from benchmarks.service import HOST, Service

CHECKOUT = Path(__file__).resolve().parent.parent

#: The name of ours in the tables.
OURS = "inetdtw"

#: What the log has when a warm process is ready.
READY = re.compile(r"\bwarm-ready \S+ pid=(\d+)")


class Ours(Server):
    """inetdtw, which is compared with the others."""

    name = OURS

    def __init__(self) -> None:
        """@raise Missing: if it is not in the checkout."""
        if not (CHECKOUT / "inetdtw" / "__main__.py").exists():
            raise Missing("python -m inetdtw is not there yet")
        # The checkout has a directory of this name too, without the package's modules.
        if find_spec("twisted.application") is None:
            raise Missing(f"no Twisted for {sys.executable}")

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it in the foreground, with its log on standard error."""
        config = directory / "inetd.conf"
        config.write_text("".join(map(definition, services)))
        options = ["-f", "-e", "-p", str(directory / "pid")]
        argv = [sys.executable, "-m", "inetdtw", *options, str(config)]
        return Launch(argv, env={"PYTHONPATH": str(CHECKOUT)})


def warmProcesses(log: str) -> frozenset[int]:
    """Return the warm processes that are ready by a log."""
    return frozenset(map(int, READY.findall(log)))


def definition(service: Service) -> str:
    """Return the line of a service, or its definition if it needs keys."""
    if not service.keys:
        return service.line() + "\n"
    rows = {
        "protocol": service.protocol,
        "socktype": service.socktype,
        "wait": "yes" if service.wait else "no",
        "user": service.user,
        "exec": service.path,
        "args": " ".join(service.args),
        **dict(service.keys),
    }
    pairs = ", ".join(f"{key} = {value}" for key, value in rows.items())
    return f"{HOST}:{service.port} on {pairs};\n"
