# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{inetd status --watch} on a terminal: keys, signals, and the terminal afterwards."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
from typing import Any

from tests.support.control import ControlTestCase
from tests.support.daemon import DEADLINE, environment, freePort
from tests.support.serving import inetd
from tests.support.typed import Typed

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


class Watched:
    """C{inetd status --watch} in a terminal of its own."""

    def __init__(self, control: str) -> None:
        """@param control: the control socket."""
        self.ours, self.theirs = pty.openpty()
        self.resize(80, 12)
        self.usual = termios.tcgetattr(self.theirs)
        self.text = ""
        env = environment(None, TERM="xterm", NO_COLOR="")
        for name in ("COLUMNS", "LINES"):
            env.pop(name, None)
        self.process = subprocess.Popen(
            inetd("status", "--watch", "-n", "0.2", "--control", control),
            env=env,
            cwd="/",
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal."""
        size = struct.pack("4H", lines, columns, 0, 0)
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, size)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self.ours, keys.encode())

    def screen(self) -> list[str]:
        """Return the lines of the last screen that is complete."""
        found = re.findall("\x1b\\[H([^\x00]*?)\x1b\\[J", self.text) or [""]
        plain = re.sub("\x1b\\[[?0-9]*[a-zA-Z]", "", found[-1])
        return plain.replace("\r", "").split("\n")

    def waitFor(self, condition: Any) -> list[str]:
        """Wait for a screen that meets a condition, and return it."""
        deadline = time.monotonic() + DEADLINE
        while not condition(self.screen()):
            left = deadline - time.monotonic()
            if left < 0 or not select.select([self.ours], [], [], left)[0]:
                raise AssertionError("\n".join(self.screen()))
            self.text += os.read(self.ours, 65536).decode()
        return self.screen()

    def end(self) -> int:
        """Return the exit status, and read the rest."""
        status = self.process.wait(DEADLINE)
        while select.select([self.ours], [], [], 0)[0]:
            self.text += os.read(self.ours, 65536).decode()
        return status

    def close(self) -> None:
        """End it, whatever its state."""
        self.process.kill()
        self.process.wait()
        for each in (self.ours, self.theirs):
            os.close(each)


class WatchTests(ControlTestCase):
    """Tests for C{inetd status --watch} with more services than lines."""

    def setUp(self) -> None:
        """Add services."""
        super().setUp()
        for _ in range(20):
            self.conf += f"127.0.0.1:{freePort()} stream tcp nowait - internal echo\n"

    def watched(self) -> Watched:
        """Watch a daemon."""
        self.start()
        watched = Watched(self.socket)
        self.addCleanup(watched.close)
        return watched

    def test_scroll(self) -> None:
        """Keys scroll the rows, a resize draws again, and q ends it."""
        watched = self.watched()
        at = "lines 1-8 of 23; "
        screen = watched.waitFor(lambda lines: lines[-1].startswith(at))
        self.assertEqual(len(screen), 12)
        head = screen[2]
        for keys, where in (
            ("\x1b[B", "2-9"),
            ("j", "3-10"),
            ("\x1b[6~", "11-18"),
            ("\x1b[F", "16-23"),
            ("k", "15-22"),
            ("g", "1-8"),
            (" ", "9-16"),
        ):
            watched.press(keys)
            begins = f"lines {where} of 23; "
            screen = watched.waitFor(lambda lines, b=begins: lines[-1].startswith(b))
            self.assertEqual(screen[2], head)
        watched.resize(80, 40)
        watched.waitFor(lambda lines: len(lines) == 26)
        watched.resize(50, 40)
        screen = watched.waitFor(lambda lines: max(map(len, lines)) <= 50)
        self.assertIn("ADDRESS", screen[2])
        watched.press("q")
        self.assertEqual(watched.end(), 0)
        self.assertRestored(watched)

    def assertRestored(self, watched: Watched) -> None:
        """Assert that the terminal is as before."""
        self.assertEqual(termios.tcgetattr(watched.theirs), watched.usual)
        self.assertTrue(watched.text.endswith(LEAVE), watched.text[-80:])
        self.assertNotIn("Traceback", watched.text)

    def test_signals(self) -> None:
        """Ctrl-C and the signals that end a process restore the terminal."""
        self.start()
        for end in ("\x03", signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            watched = Watched(self.socket)
            self.addCleanup(watched.close)
            watched.waitFor(lambda lines: len(lines) == 12)
            flags = termios.tcgetattr(watched.theirs)[3]
            self.assertFalse(flags & (termios.ECHO | termios.ICANON))
            if isinstance(end, str):
                watched.press(end)
            else:
                watched.process.send_signal(end)
            self.assertEqual(watched.end(), 0)
            self.assertRestored(watched)

    def test_gone(self) -> None:
        """The command ends when its terminal has gone."""
        watched = self.watched()
        watched.waitFor(lambda lines: len(lines) == 12)
        os.close(watched.theirs)
        os.close(watched.ours)
        watched.ours, watched.theirs = os.pipe()
        self.assertIn(watched.process.wait(DEADLINE), (0, 1))

    def test_stopped(self) -> None:
        """Ctrl-Z gives the terminal back to the shell, and fg draws again."""
        self.start()
        command = shlex.join(inetd("status", "--watch", "--control", self.socket))
        with Typed(["/bin/bash", "--norc", "-i"], TERM="xterm") as shell:
            shell.write(f"PS1='> '; stty -a > {self.path('a')}\n")
            shell.write(f"{command}\n")
            shell.waitFor(ENTER)
            shell.waitFor("SERVICE")
            for number in (1, 2):
                shell.write("\x1a")
                shell.waitFor("Stopped")
                shell.write(f"stty -a > {self.path('b')}; echo st''ty{number}\n")
                shell.waitFor(f"stty{number}")
                self.assertEqual(*map(self.read, "ab"))
                seen = shell.forget()
                self.assertIn(LEAVE, seen)
                shell.write("fg\n")
                shell.waitFor("SERVICE")
            shell.write("q")
            shell.waitFor(LEAVE)
            shell.write(f"echo st=$?; stty -a > {self.path('b')}; echo st''ty3\n")
            shell.waitFor("st=0")
            shell.waitFor("stty3")
            self.assertEqual(*map(self.read, "ab"))

    def read(self, name: str) -> str:
        """Return the content of a file, without the size of the terminal."""
        with open(self.path(name)) as file:
            return file.read()
