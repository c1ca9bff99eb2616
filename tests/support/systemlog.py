# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The system log, for tests that want one or none.
"""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

from tests.support.daemon import eventually

if TYPE_CHECKING:
    from tests.support.serving import ServingTestCase

_LOG = "/dev/log"


class NoSystemLog:
    """
    Nobody keeps a system log until the test ends; tests that run at the same time take
    turns.
    """

    def __init__(self, test: ServingTestCase) -> None:
        held = os.open("/dev", os.O_RDONLY)
        test.addCleanup(os.close, held)
        fcntl.flock(held, fcntl.LOCK_EX)
        if _isKept():
            test.skipTest("a system log is kept here, which is not the tests'")


class SystemLog(NoSystemLog):
    """
    The system log, where none is kept: a socket at C{/dev/log} until the test ends.
    """

    def __init__(self, test: ServingTestCase, later: bool = False) -> None:
        """
        @param later: whether it is only kept once L{keep} is called.
        """
        super().__init__(test)
        self._test = test
        self._lines: list[str] = []
        if not later:
            self.keep()

    def keep(self) -> None:
        """
        Keep it.
        """
        test = self._test
        if os.path.lexists(_LOG):
            os.unlink(_LOG)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(_LOG)
        os.chmod(_LOG, 0o666)
        test.addCleanup(self._socket.close)
        test.addCleanup(os.unlink, _LOG)

    def lines(self) -> list[str]:
        """
        What was logged until now.
        """
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return self._lines
            self._lines.append(data.decode(errors="replace").rstrip("\0\n"))

    def waitFor(self, text: str) -> str:
        """
        Wait for a line that contains a text.
        """
        eventually(
            lambda: any(text in line for line in self.lines()),
            lambda: f"{text!r} in {self.lines()}",
        )
        return next(line for line in self._lines if text in line)


def _isKept() -> bool:
    """
    Whether somebody keeps a system log.
    """
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as probe:
            try:
                probe.connect(_LOG)
            except OSError:
                continue
            return True
    return False
