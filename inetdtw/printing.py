# -*- test-case-name: inetdtw.test.test_check -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Printing lines for a person.
"""

from __future__ import annotations

from typing import Any, Callable


def printTo(stream: Any) -> Callable[[str], None]:
    """
    A function that writes lines, whatever the stream can encode.
    """

    def write(line: str) -> None:
        encoding = stream.encoding or "ascii"
        data = line.encode(encoding, "backslashreplace")
        print(data.decode(encoding), file=stream)

    return write
