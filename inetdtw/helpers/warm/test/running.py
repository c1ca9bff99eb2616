# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Warm processes that run, for tests."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from twisted.python.filepath import FilePath

from inetdtw.config.python import interpretedBy
from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    HELLO,
    STARTED,
)
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH
from inetdtw.helpers.warm.files import isRecent, stamp
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.packets import decodeReports, fileOf
from inetdtw.launch.warm import command
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import Program
from inetdtw.test.fakes import PATIENCE, ServingTestCase

#: Greets its client; it never runs in the process that is forked.
HELLOS = "import sys\nprint('hello', *sys.argv[1:], flush=True)\nsys.stdin.read()\n"


class Running:
    """
    A warm process that runs, and the daemon's end of its channel.

    @ivar pid: its process id.

    @ivar peers: the addresses that it has reported.
    """

    def __init__(self, argv: Sequence[str], preload: str = "", **more: object) -> None:
        """@param more: parameters that differ from the usual ones."""
        self.channel, self._theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self.channel.settimeout(PATIENCE)
        self._received: list[tuple[int, int, int, int]] = []
        self.peers: list[Any] = []
        self._log, log = os.pipe()
        program = Program(sys.executable, (), ("python3", *argv))
        kept = interpretedBy(program, None, preload)
        env = {"PATH": os.defpath, "LANG": "C.UTF-8"}
        request = LaunchRequest(sys.executable, program.argv, env, {}, (0, 0, 0))
        executable, words, parameters = command.warmCommand(
            kept, request, preload, ProcessContext(directory="")
        )
        with fileOf(command.program({**parameters, **more})) as source:
            actions = [
                (os.POSIX_SPAWN_DUP2, source.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, self._theirs.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ]
            self.pid = os.posix_spawn(executable, words, env, file_actions=actions)
        os.close(log)
        self._theirs.close()

    def launch(self, number: int, fd: int, extra: bytes = b"") -> None:
        """Send a launch request."""
        socket.send_fds(
            self.channel, [HEADER.pack(LAUNCH, False, number, 0, 0, 0), extra], [fd]
        )

    def accept(self, number: int, sock: socket.socket, most: int = 0) -> None:
        """Delegate a listening socket."""
        head = HEADER.pack(ACCEPT, False, 1, number, most, 0)
        socket.send_fds(self.channel, [head], [sock.fileno()])

    def receive(self) -> tuple[int, int, int, int]:
        """Return the next report: kind, number, process id and value."""
        while not self._received:
            packet = self.channel.recv(1 << 16)
            if not packet:
                raise AssertionError("it has ended")
            for each in decodeReports(packet):
                if each.kind in (ACCEPTED, DROPPED):
                    self.peers.append(each.peer)
                pid = 0 if each.kind == DROPPED else each.pid
                self._received.append((each.kind, each.number, pid, each.value))
        return self._received.pop(0)

    def log(self) -> str:
        """Return all that it has logged until it has exited."""
        with open(self._log) as file:
            self._log = -1
            return file.read()

    def end(self) -> int:
        """
        Close the channel, and wait until it exits.

        @return: what wait(2) returns.
        """
        self.channel.close()
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return status

    def kill(self) -> None:
        """Kill the process, and close all that belongs to it."""
        self.channel.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._log >= 0:
            os.close(self._log)


def readAll(client: socket.socket) -> bytes:
    """Return everything until EOF."""
    return b"".join(iter(lambda: client.recv(1000), b""))


class RunningTestCase(ServingTestCase):
    """A test of a warm process that runs."""

    def setUp(self) -> None:
        """Write a script."""
        super().setUp()
        self.directory = FilePath(os.path.realpath(self.mktemp()))
        self.directory.makedirs()
        self.script = self.write("script.py", HELLOS)

    def write(self, name: str, text: str) -> str:
        """Write a file."""
        file = self.directory.child(name)
        file.setContent(text.encode())
        return str(file.path)

    def isRecent(self, file: FilePath[str]) -> bool:
        """Return whether a file was just written."""
        return isRecent(stamp(file.path))

    def run_(self, *argv: str, preload: str = "") -> Running:
        """Start a process, and wait until it is ready."""
        # Modules that it would find young it would not trust for long.
        deadline = time.monotonic() + PATIENCE
        while preload and any(map(self.isRecent, self.directory.children())):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        running = Running(argv or (self.script, "you"), preload)
        self.addCleanup(running.kill)
        self.assertEqual(running.receive(), (HELLO, 0, running.pid, 0))
        return running

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Return both ends of a connection."""
        one, two = socket.socketpair()
        one.settimeout(PATIENCE)
        return self.closing(one), self.closing(two)

    def launched(self, running: Running, number: int = 1) -> tuple[socket.socket, int]:
        """
        Send a launch request.

        @return: the client, and the process id of the child.
        """
        client, theirs = self.pair()
        running.launch(number, theirs.fileno())
        theirs.close()
        kind, reported, pid, _ = running.receive()
        self.assertEqual((kind, reported), (STARTED, number))
        return client, pid
