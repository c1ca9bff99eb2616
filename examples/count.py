#!/usr/bin/env python3
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{dgram udp nowait}: answer a datagram with its number of lines, words and bytes.

Standard input is the datagram, and each write(2) to standard output is one reply.
Python buffers the output until the end, unless C{PYTHONUNBUFFERED} is set.
"""

import sys

datagram = sys.stdin.buffer.read()
print(datagram.count(b"\n"), len(datagram.split()), len(datagram))
