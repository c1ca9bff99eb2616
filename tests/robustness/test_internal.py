# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Exceptions in the daemon itself: all other services are served.

They are raised by the start, a change or a client of one service. The daemons are real
ones; one function raises an exception for services that have a mark.
"""

from __future__ import annotations

import os
import signal

from tests.support import interpreters
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    eventually,
    freePort,
    talk,
    talkOrNothing,
)
from tests.support.faults import FaultsTestCase
from tests.support.serving import inetd, run

#: Is C{inetd}, where a function raises an exception while a file is there, if a service
#: or an entry among its arguments, or of one of these, has the mark.
_FAULTY = """
import importlib, os, sys
KINDS = ("Service", "Entry")
module, owner, name, path, mark = sys.argv[1:6]
del sys.argv[1:6]
place = importlib.import_module(module)
place = getattr(place, owner) if owner else place
right = getattr(place, name)

def faulty(*given, **more):
    owners = [getattr(each, "__dict__", {}) for each in given]
    about = [*given, *(value for owner in owners for value in owner.values())]
    about = [each for each in about if type(each).__name__ in KINDS]
    if os.path.exists(path) and mark in repr(about):
        raise OverflowError("signed integer is greater than maximum")
    return right(*given, **more)

setattr(place, name, faulty)
from inetdtw.cli import main
main.main()
"""
_WHY = "OverflowError: signed integer is greater than maximum"


class ErrorTests(FaultsTestCase):
    """Functions that raise exceptions for one service."""

    def faulty(self, function: str, lines: str) -> Daemon:
        """
        Return a daemon in which a function raises an exception.

        It does so for what has C{marked} in it, from now on. The daemon serves some
        lines beside those of the others.

        @param function: the module, the class, if it is a method, and the name.
        """
        module, owner, name = function.split(":")
        self.write("fault", "")
        conf = self.write("inetd.conf", lines + self.lines)
        options = ["--control", self.path("control"), "-f", "-e", "-l", conf]
        given = [module, owner, name, self.path("fault"), "marked"]
        daemon = Daemon(
            [interpreters.python(), "-c", _FAULTY, *given, *options], ports=self.others
        )
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def health(self) -> int:
        """Return the exit status of C{inetd health}."""
        argv = inetd("health", "--control", self.path("control"))
        return run(argv).returncode

    def mended(self) -> None:
        """Restore the function."""
        os.unlink(self.path("fault"))

    def test_start(self) -> None:
        """
        A service whose start raises is unbound, and retried.

        It has the reason in its state. The others are served.
        """
        for function in (
            "inetdtw.system.sockets::createListener",
            "inetdtw.serve.stream:StreamListener:__init__",
            "inetdtw.serve.starter:ProgramStarter:prepare",
        ):
            port = freePort()
            line = f"{port} on id = marked, protocol = tcp, wait = no, user = -,"
            daemon = self.faulty(function, f"{line} exec = /bin/cat;\n")
            daemon.waitForLog(f"reason={_WHY}")
            self.othersAnswer()
            self.assertEqual(self.health(), 1)
            self.mended()
            eventually(lambda: self.health() == 0, daemon.log)
            self.assertEqual(talk(port, b"text"), b"text")
            daemon.stop()

    def test_reload(self) -> None:
        """
        A reload in which services raise is finished for all others.

        The start of one and the change of another raise.
        """
        new, port = freePort(), freePort()
        tail = "protocol = tcp, wait = no, user = -, exec = /bin/cat"
        daemon = self.faulty("inetdtw.serve.stream:StreamListener:__init__", "")
        lines = f"{new} on id = marked, {tail};\n{port} on {tail};\n"
        self.write("inetd.conf", lines + self.lines)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("reload - kept=3 changed=0 started=2 stopped=0")
        self.assertEqual(talk(port, b"text"), b"text")
        self.othersAnswer()
        self.mended()
        eventually(lambda: self.health() == 0, daemon.log)
        self.write("fault", "")
        lines = f"{new} on id = marked, {tail}, accept_max = 9;\n"
        self.write("inetd.conf", lines + self.lines)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("reload - kept=3 changed=1 started=0 stopped=1")
        daemon.waitForLog("bind-failed marked ", 2)
        self.othersAnswer()

    def test_entry(self) -> None:
        """A line that raises is left out at the start, and rejects a reload."""
        port = freePort()
        line = f"{port} on id = marked, protocol = tcp, args = echo;\n"
        daemon = self.faulty("inetdtw.config.sockets:SocketResolver:options", line)
        daemon.waitForLog(f"inetd.conf:1:1 field=service reason=internal error: {_WHY}")
        self.othersAnswer()
        self.write("inetd.conf", line)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("reason=the old configuration stays")
        self.othersAnswer()

    def test_clients(self) -> None:
        """
        When the start of a program raises, its client is closed.

        No client hangs, and none counts any longer.
        """
        port = freePort()
        tail = "accept_max = 1, per_source = 1, exec = /bin/cat;\n"
        daemon = self.faulty(
            "inetdtw.serve.starter:ProgramStarter:_request",
            f"{port} on id = marked, protocol = tcp, wait = no, user = -, {tail}",
        )
        for _ in range(3):
            self.assertEqual(talkOrNothing(port, b"text"), b"")
        daemon.waitForLog("start-failed marked ", 3)
        self.assertIn(f"reason='/bin/cat': {_WHY}", daemon.log())
        self.othersAnswer()
        self.mended()
        self.assertEqual(talk(port, b"text"), b"text")
        self.assertEqual(self.health(), 0)
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
