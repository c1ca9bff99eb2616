# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Fuzz one of the readers of L{inetdtw.test.fuzztargets}, for some minutes.

It needs atheris::

    pip install '.[fuzz]'
    python -m tests.fuzz configuration 10

Further arguments are libFuzzer's.  It ends with the number of executions, and with a
nonzero status as soon as it finds something: an exception that no reader may raise, or
a minute for a single input.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator

import atheris  # type: ignore[import-untyped] # it has no annotations

with atheris.instrument_imports(include=["inetdtw"]):
    from inetdtw.helpers import reports
    from inetdtw.helpers.requests import (
        ACCEPT,
        HEADER,
        LAUNCH,
        WAIT,
        WITHDRAW,
    )
    from inetdtw.test.fuzztargets import TARGETS

#: The most bytes of an input.
LONGEST = 4096


def seeds(target: str) -> Iterator[bytes]:
    """Return the inputs that the fuzzer begins with."""
    if target == "configuration":
        for top in ("etc", "examples", "tests/flavours"):
            for directory, _, names in os.walk(top):
                for name in names:
                    with open(os.path.join(directory, name), "rb") as file:
                        yield file.read(LONGEST)
    elif target == "tcpmux":
        yield b"\x06echo\r\nrest"
        yield b"\x02ec\x02ho\x01\n"
    elif target == "requests":
        yield from _requests()
    else:
        yield from _reports()


def _requests() -> Iterator[bytes]:
    """Return requests of each kind."""
    program = b"1\x00/bin/cat\x002\x00cat\x00-u\x00LANG=C"
    length, extra = len(program), b"REMOTE_ADDR=192.0.2.1"
    for head, rest in (
        ((LAUNCH, False, 1, 0, 0, length), program + extra),
        ((LAUNCH, False, 2, 0, 0, length), program),
        ((ACCEPT, False, 3, 7, 2, length), program),
        ((WITHDRAW, False, 4, 7, 0, 0), b""),
        ((WAIT, False, 5, 8, 2, length), program),
    ):
        packet = HEADER.pack(*head) + rest
        yield bytes((len(packet), 1)) + packet


def _reports() -> Iterator[bytes]:
    """Return reports of each kind."""
    for kind in range(1, 12):
        for number in (1, 2, 5, 6):
            started = reports.REPORT.pack(2, number, 100, 0, 0)
            yield b"\x02" + started + reports.REPORT.pack(kind, number, 100, 0, 0)


def main() -> None:
    """Fuzz."""
    target, minutes, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(target)):
            with open(os.path.join(corpus, str(number)), "wb") as file:
                file.write(seed)
        options = [
            f"-max_total_time={int(float(minutes) * 60)}",
            f"-max_len={LONGEST}",
            "-timeout=60",
            "-print_final_stats=1",
        ]
        atheris.Setup([sys.argv[0], corpus, *options, *more], TARGETS[target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
