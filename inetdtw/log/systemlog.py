# -*- test-case-name: inetdtw.log.test.test_systemlog -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A client of syslogd(8) that never blocks: RFC 3164, syslog(3).

syslog(3) blocks while syslogd does not read.  So the daemon sends messages by itself,
on systems where syslogd listens on a UNIX socket.
"""

from __future__ import annotations

import atexit
import errno
import os
import socket
import stat
import sys
import syslog
import time
from typing import Any, Callable

from twisted.python.syslog import SyslogObserver

from inetdtw.log.report import Report
from inetdtw.log.stream import LogStream

#: The socket of syslogd.
PATH = "/dev/log"
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - it is easier to read
#: The bits of the severity in a priority; the others are the facility.
_LEVELS = 7


def hasSocket(path: str = PATH) -> bool:
    """Tell whether syslogd listens on a UNIX socket on this system, when it runs."""
    linux: bool = sys.platform.startswith("linux")
    if linux:
        return True
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


class Syslog:
    """The functions openlog(3) and syslog(3), without blocking."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        """@param put: sends a message, which ends with NUL."""
        self._put = put
        self.openlog("inetd")

    def openlog(
        self, ident: str, options: int = 0, facility: int = syslog.LOG_USER
    ) -> None:
        """Set the head of each message."""
        self._ident = ident
        self._hasPid = bool(options & syslog.LOG_PID)
        self._facility = facility

    def syslog(self, priority: int, text: str) -> None:
        """
        Send a message.

        @param priority: one of those of syslog(3), such as C{LOG_INFO}, with or without
            a facility.
        """
        now = time.localtime()
        month, clock = _MONTHS[now.tm_mon - 1], time.strftime("%H:%M:%S", now)
        code = priority if priority & ~_LEVELS else priority | self._facility
        pid = f"[{os.getpid()}]" if self._hasPid else ""
        head = f"<{code}>{month} {now.tm_mday:2} {clock} {self._ident}{pid}"
        self._put(f"{head}: {text}\0".encode("utf-8", "backslashreplace"))


class SyslogSocket:
    """Sends messages to the syslogd that listens at the time, and never blocks."""

    def __init__(self, path: str = PATH) -> None:
        """@param path: the path that syslogd is bound to."""
        self._path = path
        self._socket: socket.socket | None = None

    def __call__(self, data: bytes) -> int:
        """
        Send a message.

        @return: how many bytes of it were sent.
        @raise BlockingIOError: if the socket is full.
        @raise OSError: if it cannot be sent.
        """
        if self._socket is not None:
            try:
                return self._send(self._socket, data)
            except BlockingIOError:
                raise
            except OSError:
                # syslogd may have been restarted.
                self._socket.close()
                self._socket = None
        self._socket = self._connected()
        return self._send(self._socket, data)

    def _send(self, sock: socket.socket, data: bytes) -> int:
        """Send a message: without its NUL in a datagram."""
        if sock.type == socket.SOCK_STREAM:
            return sock.send(data)
        return sock.send(data[:-1]) + 1

    def _connected(self) -> socket.socket:
        """
        Return a socket to syslogd, of datagrams on most systems.

        @raise OSError: if syslogd does not run.
        """
        try:
            return self._connectedTo(socket.SOCK_DGRAM)
        except OSError as why:
            if why.errno != errno.EPROTOTYPE:
                raise
        return self._connectedTo(socket.SOCK_STREAM)

    def _connectedTo(self, kind: int) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, kind)
        try:
            sock.setblocking(False)
            sock.connect(self._path)
        except OSError:
            sock.close()
            raise
        return sock


def syslogFor(report: Report) -> Syslog:
    """
    Return functions that send messages to syslogd until the process exits.

    @param report: logs lost messages.
    """
    stream = LogStream(SyslogSocket, report.lost, report.callLater)
    atexit.register(stream.finish)
    return Syslog(stream.put)


def systemLogger() -> Callable[[int, str], None]:
    """Return a function that sends a message, without blocking where syslogd allows."""
    if not hasSocket():
        syslog.openlog("inetd", syslog.LOG_PID, syslog.LOG_DAEMON)
        return syslog.syslog
    log = syslogFor(Report())
    log.openlog("inetd", syslog.LOG_PID, syslog.LOG_DAEMON)
    return log.syslog


def unblockSyslog(report: Report) -> None:
    """
    Make C{twistd --syslog} never block, on systems where that is possible.

    @param report: logs lost messages.
    """
    if hasSocket():
        log: Any = syslogFor(report)
        SyslogObserver.openlog, SyslogObserver.syslog = log.openlog, log.syslog
