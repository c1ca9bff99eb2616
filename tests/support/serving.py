# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Serve a configuration from a temporary directory that every user can read."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from tests.support import checkout, directories, interpreters
from tests.support.daemon import DEADLINE, Daemon, environment, twistd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def inetd(*arguments: str) -> list[str]:
    """Return the command line of C{inetd}, whether or not it is installed."""
    run = (
        "import sys; sys.argv[0] = 'inetd'; from inetdtw.cli.entry import main; main()"
    )
    return [interpreters.python(), "-c", run, *arguments]


class ServingTestCase(SynchronousTestCase):
    """
    A test case with a directory for a configuration and its programs.

    @ivar directory: the path of the directory.
    """

    def setUp(self) -> None:
        """Make the directory."""
        self.directory = directories.publicDirectory(self)

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return os.path.join(self.directory, name)

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        """Write a file that every user can read, and return its path."""
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def program(self, name: str, text: str) -> str:
        """Write a Python program that every user can run; return its path."""
        return self.write(name, script(text), 0o755)

    def daemon(
        self,
        conf: str,
        *ports: int,
        options: Sequence[str] = (),
        user: pwd.struct_passwd | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Daemon:
        """
        Return a C{twistd inetd} that serves a configuration.

        @param conf: its text.
        @param ports: it is ready when it listens on these.
        @param options: more options.
        """
        path = self.write("inetd.conf", conf)
        argv = twistd("inetd", "--conf", path, *options)
        return Daemon(argv, ports=ports, user=user, env=env)

    def connect(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """Return a TCP client, closed when the test ends."""
        client = socket.create_connection((host, port), timeout=DEADLINE)
        self.addCleanup(client.close)
        return client

    def datagrams(self, *, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        """Return a bound, unconnected UDP socket, closed when the test ends."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(DEADLINE)
        client.bind((host, port))
        return client


def script(text: str) -> str:
    """Return the text of a Python program that needs no environment."""
    return f"#!{interpreters.python()} -IS\n{text}"


def readAll(client: socket.socket) -> bytes:
    """
    Everything that a TCP client is sent until the end.

    A connection that is reset has ended as well.
    """
    received = b""
    try:
        for data in iter(lambda: client.recv(65536), b""):
            received += data
    except ConnectionResetError:
        pass  # The peer closed with unread data.
    return received


def run(
    argv: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        argv,
        env=environment() if env is None else env,
        cwd=checkout.path(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def inodeOf(port: int, table: str = "tcp") -> int | None:
    """Return the inode of the socket that listens on a port."""
    state = "0A" if table.startswith("tcp") else "07"
    with open(f"/proc/net/{table}", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    for row in rows:
        if row[1].endswith(f":{port:04X}") and row[3] == state:
            return int(row[9])
    return None
