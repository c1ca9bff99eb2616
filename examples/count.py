#!/usr/bin/env python3
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{dgram udp nowait}: answer a datagram with its number of lines, words and bytes.

Standard input is the datagram, each write to standard output is one reply: what
is printed is written at the end, unless C{PYTHONUNBUFFERED} is set.
"""

import sys

datagram = sys.stdin.buffer.read()
print(datagram.count(b"\n"), len(datagram.split()), len(datagram))
