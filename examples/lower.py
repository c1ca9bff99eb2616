#!/usr/bin/env python3
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{stream tcp nowait}: send every line back in lower case.

The connection is standard input and output.  EOF is the client's half-close.
Bytes that are not UTF-8 pass through unchanged, and each line is answered at once.
"""

import sys

sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", line_buffering=True)

for line in sys.stdin:
    print(line.lower(), end="")
