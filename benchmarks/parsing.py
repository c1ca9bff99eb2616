# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Measure how long it takes to parse a megabyte of each input that could be slow.

These are configurations, lines of clients of tcpmux, launch requests to a fork server,
and reports of fork servers and warm processes.  Each is to take less than a second
of processor time, and two megabytes about twice that: C{python -m benchmarks.parsing}.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time

from inetdtw.config import loader, parser
from inetdtw.helpers import reports
from inetdtw.helpers.requests import HEADER, LAUNCH
from inetdtw.model.service import Settings
from inetdtw.test import fakelookups, fuzztargets

#: The bytes of a configuration.
SIZE = 1 << 20

_CAT = "stream tcp nowait root /bin/cat cat\n"
_KEYS = "on protocol = tcp, wait = no, user = root, exec = /bin/cat, args = cat"


def _ended(kind: int) -> bytes:
    """Return a report that a program has exited."""
    return reports.REPORT.pack(kind, 1, 100, 0, 0)


#: What comes first, what is repeated, and what comes last.
KINDS: dict[str, tuple[str, str, str]] = {
    "one word": ("", "a", ""),
    "one line of words": ("", "a ", ""),
    "empty lines": ("", "\n", ""),
    "lines of one letter": ("", "a\n", ""),
    "services": ("", f"0 {_CAT}", ""),
    "the same service": ("", f"7 {_CAT}", ""),
    "blocks of keys": ("", f"0 {_KEYS};\n", ""),
    "blocks of keys over lines": ("", f"0 {_KEYS};\n".replace(", ", ",\n  "), ""),
    "continuation lines": (f"7 {_CAT}", " x\n", ""),
    "lines after backslashes": (f"7 {_CAT[:-1]} \\\n", "x \\\n", ""),
    "parts of a word": (f"7 {_CAT[:-1]} \\\n", "x\\\n", ""),
    "backslashes on lines": ("", "\\\n", ""),
    "statements after backslashes": ("", f"7 {_CAT[:-1]} \\\n", ""),
    "lines of RPC": ("", "1/1 tli rpc/tcp wait root /d d\n", ""),
    "comments": ("", "#\n", ""),
    "comments with backslashes": ("", "#\\\n", ""),
    "one comment of many lines": ("#\\\n", "x\\\n", ""),
    "IPsec policies": ("", "#@ x\n", ""),
    "comments in a line": (f"7 {_CAT}", " # x\n", ""),
    "single quotes": ("", "'", ""),
    "double quotes": ("", '"', ""),
    "quotes on lines": ("", "'\n", ""),
    "quotes in quotes": ("", "\"'", ""),
    "quotes that stay open": ("", 'a"\n', ""),
    "quoted words": ("", '"a" ', ""),
    "backslashes": ("", "\\", ""),
    "backslashes in quotes": ('"', "\\", ""),
    "escaped quotes": ('"', '\\"', ""),
    "commas": ("", ",", ""),
    "addresses": ("", "127.0.0.1,", f":7 {_CAT}"),
    "addresses in brackets": ("", "[::1],", f":7 {_CAT}"),
    "addresses for many lines": ("127.0.0.1," * 31 + "[::1]:\n", f"7 {_CAT}", ""),
    "addresses of a key": ("7 on bind = ", "127.0.0.1 ", ";"),
    "equals signs": ("7 on ", "=", ""),
    "semicolons": ("7 on ", ";", ""),
    "colons": ("", ":", ""),
    "slashes": ("/", "a/", f" {_CAT}"),
    "dots in a user": ("7 stream tcp nowait ", ".", " /bin/cat"),
    "digits": ("7 on accept_max = ", "9", ";"),
    "limits": ("7 stream tcp nowait", "/1", " root /bin/cat"),
    "options of a protocol": ("7 stream tcp", ",sndbuf=1k", " nowait root /bin/cat"),
    "ranges of ports": ("", "1-9 ", ""),
    "keys": ("7 on ", "user = a, ", ";"),
    "unknown keys": ("", "7 on x = y;\n", ""),
    "words of a key": ("7 on args = ", "a ", ";"),
    "commas of a key": ("7 on preload = ", "a, ", ";"),
    "strings of a key": ("7 on args = ", '"a" ', ";"),
    "one string of many": ("7 on args = ", '"a"', ";"),
    "escapes of a key": ('7 on args = "', "\\x41", '";'),
    "comments in a block": ("7 on ", "# x\n", ";"),
    "blocks without an end": ("", "7 on a = b\n", ""),
    "blocks without anything": ("", "a on;", ""),
    "strings without an end": ("", "7 on args = 'a\n", ""),
    "control characters": ("", "\x1b\n", ""),
    "letters of two bytes": ("", "é", ""),
    "files that are not there": ("", '.include "x"\n', ""),
    "patterns": ('.include "', "[a*", '"'),
}
#: The beginning of the program in a launch request, and what is repeated.
REQUESTS = {
    "arguments of a request": (b"1\0/bin/cat\x00100000\0", b"a\0"),
    "one argument of a request": (b"1\0/bin/cat\x001\0", b"a"),
    "variables of a request": (b"1\0/bin/cat\x001\x00cat\0", b"a=b\0"),
    "nothing in a request": (b"", b"\0"),
    "digits in a request": (b"1\0/bin/cat\0", b"9"),
}
#: Which of the readers is to read what again and again.
TARGETS = {
    "a line for tcpmux": ("tcpmux", b"\0" + b"a" * 300),
    "ends of fork servers' programs": ("reports", b"\x01" + _ended(reports.ENDED)),
    "nonsense of fork servers": ("reports", b"\xff"),
    "ends of warm programs": ("warm", b"\x01" + _ended(reports.ENDED)),
    "nonsense of warm processes": ("warm", b"\xff"),
}


def text(kind: str, size: int = SIZE) -> str:
    """
    Return a configuration.

    @param size: its approximate length.
    """
    first, repeated, last = KINDS[kind]
    return first + repeated * ((size - len(first)) // len(repeated)) + last


def seconds(kind: str, size: int = SIZE) -> float:
    """Return the processor time of parsing a configuration."""
    written = text(kind, size)
    begun = time.process_time()
    for _ in parser.parse(written):
        pass  # Read all of it.
    return time.process_time() - begun


def ofIncludes(directory: str) -> float:
    """
    Return the processor time of files that include two others each.

    They are nested as deeply as the loader allows.
    """
    for number in range(100):
        path = os.path.join(directory, f"{number}.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(f'.include "{number + 1}.conf"\n' * 2)
    begun = time.process_time()
    first = os.path.join(directory, "0.conf")
    loader.load([first], Settings(), fakelookups.lookups())
    return time.process_time() - begun


def ofRequests(kind: str, size: int = SIZE) -> float:
    """Return the processor time of a fork server for the longest launch requests."""
    first, repeated = REQUESTS[kind]
    room = reports.LARGEST - HEADER.size - len(first)
    request = first + repeated * (room // len(repeated))
    packet = HEADER.pack(LAUNCH, False, 1, 0, 0, len(request)) + request
    count = size // reports.LARGEST
    begun = time.process_time()
    fuzztargets.handleRequests([(packet, 1)] * count)
    return time.process_time() - begun


def ofTarget(kind: str, size: int = SIZE) -> float:
    """Return the processor time of a target of L{inetdtw.test.fuzztargets}."""
    name, repeated = TARGETS[kind]
    data = repeated * (size // len(repeated))
    begun = time.process_time()
    fuzztargets.TARGETS[name](data)
    return time.process_time() - begun


def main() -> None:
    """Print a line for each kind; fail if one takes more than a second."""
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n\n")[0])
    parser.add_argument("kinds", nargs="*", help="some kinds; by default, all")
    every = [*KINDS, "includes", *REQUESTS, *TARGETS]
    kinds = parser.parse_args().kinds or every
    print(f"{'1 MB of':28} {'seconds':>8} {'2 MB':>8}")
    slow = []
    for kind in kinds:
        if kind == "includes":
            with tempfile.TemporaryDirectory() as directory:
                once, twice = ofIncludes(directory), 0.0
        else:
            take = ofRequests if kind in REQUESTS else ofTarget
            take = seconds if kind in KINDS else take
            once, twice = take(kind), take(kind, 2 * SIZE)
        print(f"{kind:28} {once:8.2f} {twice:8.2f}", flush=True)
        if once >= 1.0:
            slow.append(kind)
    if slow:
        raise SystemExit(f"a second or more: {', '.join(slow)}")


if __name__ == "__main__":
    main()
