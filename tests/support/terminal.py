# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A shell that runs the commands of a page of the guide in a temporary directory."""

from __future__ import annotations

import os
import re
import select
import shlex
import time
from typing import TYPE_CHECKING

from tests.support import checkout, interpreters
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    environment,
    eventually,
    freePort,
    isServed,
)

if TYPE_CHECKING:
    import pwd
    from collections.abc import Sequence

    from tests.support.guide import Page

#: The commands that run until a signal, unless they have one of
#: L{_ENDING} among their options.
_STAYING = {
    "inetd": ("-f", "-i", "-d", "--foreground"),
    "twistd": ("-n", "-ny", "-noy"),
    # It becomes the daemon.
    "systemd-socket-activate": ("-l",),
}
_STAYING["twist"] = ("inetd",)
_ENDING = ("--check", "--explain", "--help", "--version")

_COMMANDS = {
    "inetd": "from inetdtw.cli.entry import main as run",
    "twistd": "from twisted.scripts.twistd import run",
    "twist": "from twisted.application.twist._twist import Twist; run = Twist.main",
    "trial": "from twisted.scripts.trial import run",
}
#: Numbers of the log that differ from run to run.
_VARYING = (
    (r"(?<=pid=)\d+", r"\\d+"),
    (r"(?<=cpu=)[\d.\\]+", r"[-\\d.]+"),
    (r"(?<=seconds=)0\\\.\d+", r"[\\d.]+"),
    (r"(?<=127\\\.0\\\.0\\\.1:)(?:3[3-9]|[45]\d|6[0-5])\d{3}", r"\\d+"),
)


def pattern(shown: str) -> re.Pattern[str]:
    """Return what matches the output that a page shows; C{...} is anything."""
    text = re.escape(shown).replace(r"\.\.\.", ".*")
    for varying, meant in _VARYING:
        text = re.sub(varying, meant, text)
    return re.compile(text, re.DOTALL)


class Terminal:
    """
    A shell, its directory, and the daemons that it has in the foreground.

    @ivar directory: the path of its directory.
    """

    def __init__(
        self, page: Page, directory: str, user: pwd.struct_passwd | None
    ) -> None:
        """
        Prepare a shell without starting it.

        @param user: the user of the shell, by default the one of the tests.
        """
        self.directory = directory
        self._user = user
        self._ports = {port: freePort() for port in page.ports()}
        self._status, self._count, self._served = 0, 0, 0
        self._logs: list[str] = []
        hidden = os.path.join(directory, ".terminal")
        os.mkdir(hidden)
        os.chmod(hidden, 0o777)
        self._hidden = hidden
        self._commands = self._fifo("commands")
        self._results = self._fifo("results")
        control = os.path.join(directory, "control")
        env = environment(user, HOME=directory, INETD_CONTROL=control)
        env["PATH"] = f"{self._programs()}:{env['PATH']}"
        fifo = os.path.join(hidden, "commands")
        self._shell = Daemon(["/bin/bash", fifo], env=env, user=user, cwd=directory)

    def _fifo(self, name: str) -> int:
        """Make a named pipe that the shell can use."""
        path = os.path.join(self._hidden, name)
        os.mkfifo(path)
        os.chmod(path, 0o666)
        return os.open(path, os.O_RDWR)

    def _programs(self) -> str:
        """Make a directory with the commands, whether or not they are installed."""
        directory = os.path.join(self._hidden, "bin")
        os.mkdir(directory)
        for name, code in _COMMANDS.items():
            script = f"import sys; sys.argv[0] = {name!r}; {code}; run()"
            self._program(directory, name, f'-c {shlex.quote(script)} "$@"')
        # A copy of an interpreter finds its library only when run by its path.
        self._program(directory, "python3", '"$@"')
        return directory

    def _program(self, directory: str, name: str, arguments: str) -> None:
        """Write a program that is an interpreter with some arguments."""
        path = os.path.join(directory, name)
        with open(path, "w", encoding="utf-8") as file:
            # A supervisor may start it without the variable.
            file.write(f"#!/bin/sh\nexport PYTHONPATH={checkout.path()}\n")
            file.write(f"exec {interpreters.python()} {arguments}\n")
        os.chmod(path, 0o755)

    def start(self) -> None:
        """Start the shell."""
        self._shell.start()

    def stop(self) -> None:
        """End the shell and all that it has started."""
        self._shell.stop()
        for fifo in (self._commands, self._results):
            os.close(fifo)

    def write(self, name: str, text: str) -> str:
        """Write a file of the page, and return its path."""
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._here(text))
        os.chmod(path, 0o755 if text.startswith("#!") else 0o644)
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)
        return path

    def _here(self, text: str) -> str:
        """Replace the ports of the page by those that are free here."""
        return self._replaced(text, self._ports)

    def _asWritten(self, text: str) -> str:
        """Replace the ports here by those of the page."""
        return self._replaced(text, {new: old for old, new in self._ports.items()})

    def _replaced(self, text: str, ports: dict[int, int]) -> str:
        """Return a text with other ports."""
        return re.sub(
            r"(?<![\w.])\d{2,5}(?![\w.]\w)",
            lambda found: str(ports.get(int(found[0]), found[0])),
            text,
        )

    def run(self, command: str) -> tuple[int, str]:
        """
        Run a command to its end, or until it serves.

        @return: its exit status, and what it has printed.
        """
        if command == "^C":
            return self._interrupt()
        if isStaying(command):
            return self._stay(command)
        reloads = self.log().count("] reload")
        done = self.runToItsEnd(command)
        if re.search(r"\bkill -(HUP|s HUP)", command) and self._logs:
            self._wait(lambda: self.log().count("] reload") > reloads, "a reload")
        return done

    def runToItsEnd(self, command: str) -> tuple[int, str]:
        """Run a command that ends by itself."""
        return self._run(f"{{ {self._here(command)}\n}}")

    def _run(self, command: str) -> tuple[int, str]:
        """Run a command in the shell to its end."""
        self._count += 1
        output = os.path.join(self._hidden, f"output{self._count}")
        results = os.path.join(self._hidden, "results")
        script = (
            f"(exit {self._status})\n{command} >{output} 2>&1 </dev/null\n"
            f"echo $? >{results}\n"
        )
        os.write(self._commands, script.encode())
        if not select.select([self._results], [], [], DEADLINE)[0]:
            raise AssertionError(f"{command} has not ended; {self._read(output)}")
        self._status = int(os.read(self._results, 100))
        return self._status, self._read(output)

    def _read(self, path: str) -> str:
        """Return the contents of a file, with the ports of the page."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return self._asWritten(file.read())
        except FileNotFoundError:
            return ""

    def _stay(self, command: str) -> tuple[int, str]:
        """Start a daemon in the foreground, and wait until it serves."""
        log = os.path.join(self._hidden, f"log{len(self._logs)}")
        self._logs.append(log)
        words = shlex.split(self._here(command))
        ports = self._portsOf(words)
        pidFile = os.path.join(self._hidden, f"pid{len(self._logs)}")
        script = f"{self._here(command)} >{log} 2>&1 </dev/null & echo $! >{pidFile}"
        os.write(self._commands, f"{script}\n".encode())
        self._wait(lambda: bool(self._read(pidFile)), command)
        with open(pidFile, encoding="ascii") as file:
            # Its messages would have other ports.
            self._served = int(file.read())
        self._wait(
            lambda: (
                all(map(isServed, ports))
                and re.search(r"listen |Listening on", self.log()) is not None
            ),
            f"{command} serves {ports}",
        )
        return 0, self._read(log)

    def _portsOf(self, words: Sequence[str]) -> list[int]:
        """Return the ports that begin lines of the files that a command line names."""
        found = set()
        for word in words:
            path = os.path.join(self.directory, word)
            if word.endswith(".conf") and os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    numbers = re.findall(
                        r"^(?:[\w.*,\[\]:-]+:)?(\d+)\s(?!off\b)", file.read(), re.M
                    )
                found.update(set(map(int, numbers)) & set(self._ports.values()))
        return sorted(found)

    def _interrupt(self) -> tuple[int, str]:
        """
        End the daemon that was started last.

        A shell without a terminal starts its commands with C{SIGINT} ignored.
        """
        _, output = self._run(f"{{ kill {self._served}; wait {self._served}\n}}")
        return 0, output

    def log(self) -> str:
        """Return what the daemons in the foreground have logged."""
        return "".join(map(self._read, self._logs))

    def waitForLog(self, line: str, again: Sequence[str] = ()) -> None:
        """
        Wait until a line has been logged that a page shows.

        @param again: commands to repeat until then.
        """
        wanted = pattern(line.strip())

        def isThere() -> bool:
            if any(map(wanted.search, self.log().splitlines())):
                return True
            for command in again:
                self.run(command)
            return False

        self._wait(isThere, f"in the log: {line}")

    def runUntil(self, command: str, shown: str) -> tuple[int, str]:
        """Repeat a command until it prints what a page shows."""
        deadline = time.monotonic() + DEADLINE
        while True:
            status, output = self.run(command)
            if matches(output, shown) or time.monotonic() > deadline:
                return status, output
            time.sleep(0.1)

    def _wait(self, condition: object, what: str) -> None:
        """Wait for something."""
        assert callable(condition)
        eventually(condition, lambda: f"{what}; the log:\n{self.log()}")


def matches(output: str, shown: str) -> bool:
    """Return whether what was printed is what a page shows."""
    return pattern(shown.strip()).fullmatch(output.strip()) is not None


def isStaying(command: str) -> bool:
    """Return whether a command runs until it is ended."""
    words = shlex.split(command)
    if not words or any(each in words for each in _ENDING):
        return False
    return any(each in words for each in _STAYING.get(words[0], ()))
