# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A fork server as it runs, for tests."""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

from inetdtw.helpers.protocol import BEGIN, CHANNEL, versionNumber
from inetdtw.helpers.reports import ACCEPTED, DROPPED, ENDED, HELLO, STARTED
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH, WITHDRAW
from inetdtw.helpers.test.test_spawn import PROBE
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.forkserver.code import BOOT, MODULES, codeOf
from inetdtw.launch.packets import decodeReports, encodeProgram
from inetdtw.model.process import ProcessContext
from inetdtw.test.fakes import PATIENCE, ServingTestCase

CODE = codeOf(*MODULES)
#: What a helper reports of its version.
VERSION = versionNumber(CODE.version)
#: The context that changes nothing.
USUAL = dict(word.split("=", 1) for word in ProcessContext().toArguments())
PATH = {"PATH": "/bin:/usr/bin"}

Report = tuple[int, int, int, int]


def packed(
    number: int,
    argv: Sequence[str],
    environment: dict[str, str],
    extra: bytes = b"",
) -> bytes:
    """Return a request to execute the first of the arguments."""
    request = LaunchRequest(argv[0], tuple(argv), environment, {}, (0, 0, 0))
    program = encodeProgram(request)
    head = HEADER.pack(LAUNCH, False, number, 0, 0, len(program))
    return head + program + extra


class Running:
    """
    A fork server that runs, and the daemon's end of its channel.

    @ivar pid: its process id.

    @ivar begin: the byte that lets it begin.
    """

    begin = b"\n"

    def __init__(self, *context: str) -> None:
        """@param context: where it differs from the usual one."""
        self.channel, self._theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self.channel.settimeout(PATIENCE)
        given = dict(word.split("=", 1) for word in context)
        self._context = [f"{n}={value}" for n, value in {**USUAL, **given}.items()]
        self._received: list[Report] = []
        self.pid = 0

    def start(self) -> None:
        """Start it."""
        null = os.open(os.devnull, os.O_RDWR)
        reading, writing = os.pipe()
        actions = [
            (os.POSIX_SPAWN_DUP2, reading, BEGIN),
            (os.POSIX_SPAWN_DUP2, null, 1),
            (os.POSIX_SPAWN_DUP2, self._theirs.fileno(), CHANNEL),
        ]
        words = [*CODE.arguments(), *self._context]
        argv = [sys.executable, "-I", "-S", "-c", BOOT, *words]
        self.pid = os.posix_spawn(sys.executable, argv, {}, file_actions=actions)
        os.close(null)
        os.close(reading)
        with open(writing, "wb") as file:
            file.write(CODE.data + self.begin)
        self._theirs.close()

    def launch(self, number: int, argv: Sequence[str], *fds: int, **given: Any) -> None:
        """Request a program."""
        usual: dict[str, Any] = {"environment": PATH}
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
        packet = packed(number, argv, **{**usual, **given})
        self.channel.sendmsg([packet], rights)

    def accept(
        self,
        number: int,
        argv: Sequence[str],
        server: socket.socket,
        search: tuple[str, ...] = (),
        most: int = 0,
        kind: int = ACCEPT,
        stderr: tuple[int, ...] = (),
    ) -> None:
        """
        Delegate a socket to it.

        @param most: how many children there may be.
        @param stderr: the descriptor for standard error, if it is another.
        """
        request = LaunchRequest(
            argv[0], tuple(argv), PATH, {}, (0, 0, 0), search=search
        )
        program = encodeProgram(request)
        packet = HEADER.pack(kind, False, 1, number, most, len(program)) + program
        rights = array.array("i", [server.fileno(), *stderr])
        self.channel.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def withdraw(self, number: int) -> None:
        """Withdraw a delegated socket."""
        self.channel.send(HEADER.pack(WITHDRAW, False, 7, number, 0, 0))

    def opened(self) -> tuple[int, int]:
        """
        Return how many descriptors it has, and how many of these it polls.

        Once it serves, it polls the channel and the pipe for exits of children.
        """
        until = time.monotonic() + PATIENCE
        while True:
            numbers = os.listdir(f"/proc/{self.pid}/fd")
            waits = 0
            for number in numbers:
                with open(f"/proc/{self.pid}/fdinfo/{number}") as file:
                    waits += file.read().count("tfd:")
            if waits >= 2 or time.monotonic() > until:
                return len(numbers), waits

    def receive(self) -> Report:
        """Return the next report: kind, number, pid or what was dropped, value."""
        while not self._received:
            packet = self.channel.recv(1 << 16)
            if not packet:
                raise AssertionError("it has ended")
            for report in decodeReports(packet):
                dropped = report.kind == DROPPED
                pid = report.detail if dropped else report.pid
                value = 0 if report.kind == ACCEPTED else report.value
                self._received.append((report.kind, report.number, pid, value))
        return self._received.pop(0)

    def end(self) -> int:
        """
        Close the socket, and wait for its end.

        @return: its exit status.
        """
        self.channel.close()
        self._theirs.close()
        deadline = time.monotonic() + PATIENCE
        while self.pid:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return status
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
        return 0


class ProgramTestCase(ServingTestCase):
    """A test of the program as it runs."""

    def helper(self, *context: str) -> Running:
        """Return a fork server that is ready."""
        helper = Running(*context)
        self.addCleanup(helper.end)
        helper.start()
        self.assertEqual(helper.receive(), (HELLO, 0, helper.pid, VERSION))
        return helper

    def talk(
        self, helper: Running, argv: Sequence[str], number: int = 1, **given: Any
    ) -> bytes:
        """Return the output of a program that exits with 0."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                helper.launch(number, argv, theirs.fileno(), **given)
            ours.settimeout(PATIENCE)
            output = b""
            while True:
                piece = ours.recv(1 << 16)
                if not piece:
                    break
                output += piece
        kind, reported, pid, _ = helper.receive()
        self.assertEqual((kind, reported), (STARTED, number))
        self.assertEqual(helper.receive(), (ENDED, number, pid, 0))
        return output

    def probe(self, helper: Running, **given: Any) -> Any:
        """Return what a program finds."""
        argv = (os.path.realpath(sys.executable), "-I", "-S", "-c", PROBE)
        return json.loads(self.talk(helper, argv, **given))

    def failure(self, helper: Running, argv: Sequence[str]) -> Report:
        """Return the report about a program that cannot be started."""
        with open(os.devnull) as null:
            helper.launch(1, argv, null.fileno())
        return helper.receive()
