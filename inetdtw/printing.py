# -*- test-case-name: inetdtw.test.test_check -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Printing lines for a person.
"""

from __future__ import annotations

from typing import Any, Callable


def encodable(text: str, stream: Any) -> str:
    """
    A text as far as a stream can encode it.
    """
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def printTo(stream: Any) -> Callable[[str], None]:
    """
    A function that writes lines, whatever the stream can encode.
    """

    def write(line: str) -> None:
        print(encodable(line, stream), file=stream)

    return write
