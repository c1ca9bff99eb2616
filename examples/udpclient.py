#!/usr/bin/env python3
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{dgram udp wait}: store one datagram of C{time,name,value} lines in sqlite.

The database is C{$TS_DATABASE}, or C{ts.sqlite} beside this file.  A line that
is not C{time,name,number} is reported on file descriptor 2, which leads to the
daemon's log, and skipped.
"""

import contextlib
import math
import os
import sqlite3
import sys
from socket import socket

DATABASE = os.environ.get("TS_DATABASE") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "ts.sqlite"
)
CREATE = """
    CREATE TABLE IF NOT EXISTS ts(
        time TEXT, name TEXT, value REAL, PRIMARY KEY(time, name)
    )
"""


def parse(line):
    """
    Parse one line.

    @raise ValueError: if it is malformed.
    """
    time, name, value = line.decode("utf-8").split(",")
    if not math.isfinite(float(value)):
        raise ValueError("sqlite would store NaN as NULL")
    return time, name, float(value)


def rows(datagram):
    """Generate the rows of a datagram's well-formed lines."""
    for line in datagram.splitlines():
        try:
            yield parse(line)
        except ValueError:
            with contextlib.suppress(OSError):
                os.write(2, b"malformed line: %r\n" % line)


with socket(fileno=sys.stdin.fileno()) as service:
    datagram = service.recv(65535)

# The timeout is for another process that has locked the database.
with contextlib.closing(sqlite3.connect(DATABASE, timeout=60)) as database, database:
    database.execute(CREATE)
    database.executemany("INSERT OR REPLACE INTO ts VALUES(?, ?, ?)", rows(datagram))
