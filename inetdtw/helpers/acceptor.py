# -*- test-case-name: inetdtw.serve.test.test_sharedport -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a process that accepts from a listening socket that programs share.

O_NONBLOCK belongs to the socket.  A program that shares it can clear the flag at any
time, so accept(2) may block.  That does no harm in this process: it has nothing else to
do, and the daemon can kill it.

L{inetdtw.serve.sharedport} starts it, with the listening socket as descriptor 0 and a
sequenced-packet socket as descriptor 3.  For each packet it accepts a connection and
sends it to the daemon, or the errno.  It imports nothing but the standard library, and
exits when the daemon closes the socket.
"""

from __future__ import annotations

import _thread
import errno
import os
import select
import signal
import socket
import struct

#: The descriptors of the listening socket and of the socket to the daemon.
SERVICE, CHANNEL = 0, 3
#: The answer to the daemon: 0 with a connection, or an errno.
ANSWER = struct.Struct("=i")
#: The seconds for which accept(2) may block when this process should exit.
PATIENCE = 0.1
#: The errors of one connection, and those when another process has accepted it.
_PASSING = (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM)


def answerOne(
    service: socket.socket, channel: socket.socket, busy: _thread.LockType
) -> None:
    """
    Accept a connection and send it to the daemon, or the errno.

    @param busy: a lock, which is held while there may be a connection to send.
    """
    poll = select.poll()
    poll.register(service, select.POLLIN)
    while True:
        poll.poll()
        with busy:
            try:
                connection = service.accept()[0]
            except OSError as why:
                if why.errno not in _PASSING:
                    channel.send(ANSWER.pack(why.errno or errno.EIO))
                    return
                continue
            with connection:
                socket.send_fds(channel, [ANSWER.pack(0)], [connection.fileno()])
            return


def endWith(channel: socket.socket, busy: _thread.LockType) -> None:
    """
    Exit when the daemon has closed the socket, and no connection is to be sent.

    This runs in a thread of its own.
    """
    poll = select.poll()
    poll.register(channel, getattr(select, "POLLRDHUP", 0))
    poll.poll()
    busy.acquire(True, PATIENCE)
    os._exit(0)


def main() -> None:
    """Accept one connection for each packet."""
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    service = socket.socket(fileno=SERVICE)
    channel = socket.socket(fileno=CHANNEL)
    busy = _thread.allocate_lock()
    _thread.start_new_thread(endWith, (channel, busy))
    while channel.recv(1):
        answerOne(service, channel, busy)


if __name__ == "__main__":
    main()
