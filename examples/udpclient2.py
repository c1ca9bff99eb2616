#!/usr/bin/env python3
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{dgram udp wait}: send one datagram back to its sender in upper case.

Datagrams that arrive meanwhile stay in the socket's queue, for the next program.
"""

import sys
from socket import socket

with socket(fileno=sys.stdin.fileno()) as service:
    datagram, sender = service.recvfrom(65535)
    text = datagram.decode("utf-8", "surrogateescape").upper()
    service.sendto(text.encode("utf-8", "surrogateescape"), sender)
