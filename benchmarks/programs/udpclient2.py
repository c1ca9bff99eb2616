# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A C{dgram wait} service that gives one datagram back in upper case."""

import socket
import sys

sock = socket.socket(fileno=sys.stdin.fileno())
text, peer = sock.recvfrom(65536)
sock.sendto(text.upper(), peer)
