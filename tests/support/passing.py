# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A supervisor that passes sockets, as sd_listen_fds(3) has it."""

from __future__ import annotations

#: Passes descriptors and their names, as a supervisor does, and executes
#: the daemon.
PASS = """
import os, sys
from fcntl import F_DUPFD, fcntl
given = [int(fd) for fd in sys.argv[1].split(",")]
fds = [fcntl(fd, F_DUPFD, 100) for fd in given]
for fd in given:
    os.close(fd)
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""
