# -*- test-case-name: inetdtw.log.test.test_systemlog -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The system log: messages to syslogd(8), as RFC 3164 and syslog(3) have them.

syslog(3) blocks while syslogd does not read.  So the daemon sends its messages itself,
on systems that have a UNIX socket for them.
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

#: Where syslogd listens.
PATH = "/dev/log"
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - it is easier to read
#: The bits of a priority that are not the facility.
_LEVELS = 7


def hasSocket(path: str = PATH) -> bool:
    """True if syslogd listens on a UNIX socket on this system, when it runs."""
    linux: bool = sys.platform.startswith("linux")
    if linux:
        return True
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


class Syslog:
    """What openlog(3) and syslog(3) do, to a stream of messages that does not block."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        """@param put: takes messages, each of which ends with NUL."""
        self._put = put
        self.openlog("inetd")

    def openlog(
        self, ident: str, options: int = 0, facility: int = syslog.LOG_USER
    ) -> None:
        """Say what is in front of each message."""
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


class SystemLog:
    """Sends messages to whatever listens there at the time, and never waits."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def __call__(self, data: bytes) -> int:
        """
        Send a message.

        @return: how many bytes of it were sent.
        @raise BlockingIOError: if there is no room.
        @raise OSError: if it cannot be sent.
        """
        if self._socket is not None:
            try:
                return self._send(self._socket, data)
            except BlockingIOError:
                raise
            except OSError:
                # Another syslogd may listen by now.
                self._socket.close()
                self._socket = None
        self._socket = self._connected()
        return self._send(self._socket, data)

    def _send(self, sock: socket.socket, data: bytes) -> int:
        """Send a message, whose end only a stream has to be told."""
        if sock.type == socket.SOCK_STREAM:
            return sock.send(data)
        return sock.send(data[:-1]) + 1

    def _connected(self) -> socket.socket:
        """
        Return a socket to syslogd, which is for datagrams on most systems.

        @raise OSError: if nobody listens.
        """
        try:
            return self._connectedTo(socket.SOCK_DGRAM)
        except OSError as why:
            if why.errno != errno.EPROTOTYPE:
                raise
        return self._connectedTo(socket.SOCK_STREAM)

    def _connectedTo(self, kind: int) -> socket.socket:
        """
        Return a socket of a kind.

        @raise OSError: if nobody listens.
        """
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
    Return what sends messages to the system log until the process ends.

    @param report: is told how much was lost.
    """
    stream = LogStream(SystemLog, report.lost)
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


def takeSyslog(report: Report) -> None:
    """
    Have C{twistd --syslog} not wait for syslogd, where that can be.

    @param report: is told how much was lost.
    """
    if hasSocket():
        log: Any = syslogFor(report)
        SyslogObserver.openlog, SyslogObserver.syslog = log.openlog, log.syslog
