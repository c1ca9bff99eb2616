# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.log.systemlog}."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import syslog
import tempfile
from typing import Any

from twisted.python.filepath import FilePath
from twisted.python.syslog import SyslogObserver
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log import systemlog
from inetdtw.log.report import Report
from inetdtw.log.systemlog import Syslog, SyslogSocket, hasSocket


class SyslogTests(SynchronousTestCase):
    """Tests for L{Syslog}."""

    def setUp(self) -> None:
        """Keep what is sent to syslogd."""
        self.sent: list[bytes] = []
        self.patch(systemlog, "SyslogSocket", lambda: self.send)

    def send(self, data: bytes) -> int:
        """Keep a message."""
        self.sent.append(data)
        return len(data)

    def message(self, priority: int, text: str, *opened: Any) -> str:
        """Return a message."""
        messages: list[bytes] = []
        log = Syslog(messages.append)
        log.openlog(*opened)
        log.syslog(priority, text)
        return messages[0].decode()

    def test_form(self) -> None:
        """A message has the format of syslog(3), with LOG_PID and LOG_DAEMON."""
        opened = ("inetd", syslog.LOG_PID, syslog.LOG_DAEMON)
        found = self.message(syslog.LOG_WARNING, "refuse 7/tcp \udce9", *opened)
        clock = r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
        wanted = r"refuse 7/tcp \\udce9\0$"
        self.assertRegex(found, rf"^<28>{clock} inetd\[{os.getpid()}\]: {wanted}")

    def test_plain(self) -> None:
        """Without the options it has no pid; an explicit facility precedes."""
        self.assertRegex(self.message(syslog.LOG_INFO, "x", "me"), r"^<14>.* me: x\0$")
        code = syslog.LOG_INFO | syslog.LOG_MAIL
        self.assertRegex(self.message(code, "x", "me"), r"^<22>.* me: x\0$")

    def test_twistd(self) -> None:
        """C{twistd --syslog} uses it, if syslogd has a socket."""
        for name in ("openlog", "syslog"):
            self.patch(SyslogObserver, name, getattr(SyslogObserver, name))
        registered: list[Any] = []
        self.patch(atexit, "register", registered.append)
        self.patch(systemlog, "hasSocket", lambda: False)
        before = SyslogObserver.syslog
        systemlog.unblockSyslog(Report())
        self.assertIs(SyslogObserver.syslog, before)
        self.patch(systemlog, "hasSocket", lambda: True)
        systemlog.unblockSyslog(Report())
        event = {"message": ("hello",), "isError": False, "system": "-"}
        SyslogObserver("twisted").emit(event)
        self.assertRegex(self.sent[0], rb"^<14>.* twisted: \[-\] hello\0$")
        self.assertEqual(len(registered), 1)

    def test_systemLogger(self) -> None:
        """Messages go to the socket of syslogd, or else to syslog(3)."""
        opened: list[Any] = []
        lines: list[Any] = []
        self.patch(syslog, "openlog", lambda *given: opened.append(given))
        self.patch(syslog, "syslog", lambda *message: lines.append(message))
        self.patch(atexit, "register", opened.append)
        self.patch(systemlog, "hasSocket", lambda: True)
        systemlog.systemLogger()(syslog.LOG_INFO, "hello")
        self.assertRegex(self.sent[0], rb"^<30>.* inetd\[\d+\]: hello\0$")
        self.assertEqual(len(opened), 1)
        self.patch(systemlog, "hasSocket", lambda: False)
        systemlog.systemLogger()(syslog.LOG_INFO, "hello")
        self.assertEqual(opened[1], ("inetd", syslog.LOG_PID, syslog.LOG_DAEMON))
        self.assertEqual(lines, [(syslog.LOG_INFO, "hello")])


class SyslogSocketTests(SynchronousTestCase):
    """Tests for L{SyslogSocket}."""

    def setUp(self) -> None:
        """Make a short path for a socket."""
        directory = tempfile.mkdtemp()
        self.addCleanup(FilePath(directory).remove)
        self.path = os.path.join(directory, "log")
        self.log = SyslogSocket(self.path)
        # Nothing else refers to its socket.
        self.addCleanup(delattr, self, "log")

    def listen(self, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """Listen as syslogd."""
        if os.path.exists(self.path):
            os.unlink(self.path)
        server = socket.socket(socket.AF_UNIX, kind)
        self.addCleanup(server.close)
        server.settimeout(10)
        server.bind(self.path)
        return server

    def test_datagrams(self) -> None:
        """Each message is a datagram, without the NUL at its end."""
        server = self.listen()
        self.assertEqual(self.log(b"one\0"), 4)
        self.assertEqual(self.log(b"two\0"), 4)
        self.assertEqual([server.recv(100) for _ in range(2)], [b"one", b"two"])

    def test_stream(self) -> None:
        """On a stream socket, messages end with NUL."""
        server = self.listen(socket.SOCK_STREAM)
        server.listen()
        self.log(b"one\0")
        self.log(b"two\0")
        connection, _ = server.accept()
        with connection:
            self.assertEqual(connection.recv(100), b"one\0two\0")

    def test_full(self) -> None:
        """A syslogd that does not read does not block."""
        self.listen()

        def fill() -> None:
            for _ in range(10000):
                self.log(b"x" * 1000 + b"\0")

        self.assertRaises(BlockingIOError, fill)

    def test_again(self) -> None:
        """A syslogd may start later, and be restarted."""
        self.assertRaises(FileNotFoundError, self.log, b"gone\0")
        first = self.listen()
        self.log(b"one\0")
        first.close()
        self.assertRaises(ConnectionRefusedError, self.log, b"gone\0")
        second = self.listen()
        self.log(b"two\0")
        self.assertEqual(second.recv(100), b"two")

    def test_hasSocket(self) -> None:
        """Linux has a socket for it, other systems may have one."""
        self.patch(sys, "platform", "linux")
        self.assertTrue(hasSocket(self.path))
        platform: Any = "sunos5"
        self.patch(sys, "platform", platform)
        self.assertFalse(hasSocket(self.path))
        self.listen()
        self.assertTrue(hasSocket(self.path))
