# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with a daemon, and the commands that ask it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
from typing import TYPE_CHECKING, Any

from tests.support.daemon import (
    DEADLINE,
    Daemon,
    environment,
    eventually,
    freePort,
)
from tests.support.serving import ServingTestCase, inetd

if TYPE_CHECKING:
    import pwd


#: A program that serves until its client goes.
CAT = "stream tcp nowait - /bin/cat cat"


class ControlTestCase(ServingTestCase):
    """A test case with a daemon and the commands for it."""

    def setUp(self) -> None:
        """Choose ports, and the path of the socket."""
        super().setUp()
        self.cat, self.bad, self.udp = freePort(), freePort(), freePort()
        self.socket = self.path("control")
        self.conf = (
            f"127.0.0.1:{self.cat} stream tcp nowait/2 - /bin/cat cat\n"
            f"127.0.0.1:{self.bad} stream tcp nowait.1 - /bin/sh sh -c 'exit 3'\n"
            f"127.0.0.1:{self.udp} dgram udp wait - internal echo\n"
        )

    def start(self, *options: str, user: pwd.struct_passwd | None = None) -> Daemon:
        """Start a daemon."""
        file = self.write("inetd.conf", self.conf)
        if user is not None:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        argv = inetd("-fe", "--control", self.socket, *options, file)
        ports = (self.cat, self.bad, self.udp)
        daemon = Daemon(argv, ports=ports, user=user)
        daemon.start()
        self.addCleanup(daemon.stop)
        eventually(self.listens, daemon.log)
        return daemon

    def listens(self) -> bool:
        """Return whether a process listens at the socket."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(self.socket) == 0

    def run_(
        self, *arguments: str, user: pwd.struct_passwd | None = None
    ) -> tuple[int, str]:
        """
        Run a command.

        @return: its exit status, and all that it prints.
        """
        done = subprocess.run(
            inetd(*arguments, "--control", self.socket),
            env=environment(user),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=user and [],
        )
        return done.returncode, done.stdout

    def ask(self, method: str, target: str, body: bytes | None = None) -> Any:
        """
        Ask the daemon over plain HTTP.

        @return: the status code and the body.
        """
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(self.socket)
            connection = http.client.HTTPConnection("inetd")
            connection.sock = client
            # It may have been answered before it is sent.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, target, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def states(self) -> dict[str, Any]:
        """Return the services, by their names."""
        _, answer = self.ask("GET", "/status")
        return {each["service"]: each for each in json.loads(answer)["services"]}

    def becomes(self, port: int, key: str, value: Any) -> None:
        """Wait until a figure of a service is what it should be."""
        name = f"{port}/tcp"
        eventually(
            lambda: self.named(name)[key] == value, lambda: str(self.named(name))
        )

    def named(self, name: str) -> Any:
        """Return the service whose name ends so."""
        return next(each for key, each in self.states().items() if key.endswith(name))
