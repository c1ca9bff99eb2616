# -*- test-case-name: inetdtw.serve.test.test_sharedport -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a process that accepts connections in the daemon's place, from a
listening socket that programs share.

Whether accept(2) waits is one setting for all who share a socket, which a program can
change between a look at the socket and the call.  Here that does no harm: this process
has nothing else to do, and whoever started it can kill it.

L{inetdtw.serve.sharedport} runs it, with the listening socket as its descriptor 0, and a
sequenced-packet socket as its descriptor 3.  For each packet from there it accepts one
connection and sends it back, or the number of the error.  It imports nothing but the
standard library, and ends when the other end is closed, whatever it waits for.
"""

from __future__ import annotations

import _thread
import array
import errno
import os
import select
import signal
import socket
import struct

# Only a type checker wants this.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The descriptors that it has.
SERVICE, CHANNEL = 0, 3
#: What is sent back: 0 and a connection, or the number of an error.
ANSWER = struct.Struct("=i")
#: The seconds for which accept(2) may wait when this process is to end.
PATIENCE = 0.1
#: What is wrong with one connection only, or comes of others that have taken it.
_PASSING = (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR, errno.EPROTO, errno.EPERM)


def answerOne(service: socket.socket, channel: socket.socket, busy: Any) -> None:
    """
    Wait for a connection and send it back, or why there is none.

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
                fds = array.array("i", [connection.fileno()])
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
                channel.sendmsg([ANSWER.pack(0)], rights)
            return


def endWith(channel: socket.socket, busy: Any) -> None:
    """
    End when nothing more can come from the other end of a socket, as soon as there is
    no connection to send.
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
