# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Serve a configuration of a test's own, from a folder that everybody can read."""

from __future__ import annotations

import os
import pwd
import socket
import subprocess
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from tests.support import world
from tests.support.daemon import DEADLINE, Daemon, environment, twistd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def inetd(*arguments: str) -> list[str]:
    """The command line of the C{inetd} command, whether or not it is installed."""
    run = (
        "import sys; sys.argv[0] = 'inetd'; from inetdtw.cli.entry import main; main()"
    )
    return [world.python(), "-c", run, *arguments]


class ServingTestCase(SynchronousTestCase):
    """
    Have a folder for a configuration and its programs.

    @ivar folder: the path of the folder.
    """

    def setUp(self) -> None:
        """Make the folder."""
        self.folder = world.publicFolder(self)

    def path(self, name: str) -> str:
        """The path of a file in the folder."""
        return os.path.join(self.folder, name)

    def write(self, name: str, text: str, mode: int = 0o644) -> str:
        """Write a file that everybody can read, and return its path."""
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def program(self, name: str, text: str) -> str:
        """Write a program in Python that everybody can run, and return its path."""
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
        A C{twistd inetd} that serves a configuration.

        @param conf: its text.
        @param ports: it is ready when it listens on these.
        @param options: more options.
        """
        path = self.write("inetd.conf", conf)
        argv = twistd("inetd", "--conf", path, *options)
        return Daemon(argv, ports=ports, user=user, env=env)

    def connect(self, port: int, host: str = "127.0.0.1") -> socket.socket:
        """Be a TCP client whose connection is closed when the test ends."""
        client = socket.create_connection((host, port), timeout=DEADLINE)
        self.addCleanup(client.close)
        return client

    def datagrams(self, *, host: str = "127.0.0.1", port: int = 0) -> socket.socket:
        """
        Be a UDP client: a socket that is bound, connected to nobody, and closed
        when the test ends.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        client = socket.socket(family, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(DEADLINE)
        client.bind((host, port))
        return client


def script(text: str) -> str:
    """The text of a program in Python, which needs nothing of its environment."""
    return f"#!{world.python()} -IS\n{text}"


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
        cwd=world.checkout(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def stat(pid: int) -> tuple[str, int]:
    """The state of a process, and the pid of its parent; C{X} if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "X", 0
    return fields[0], int(fields[1])


def childrenOf(pid: int) -> Iterator[int]:
    """
    The pids of the children of a process, of those that have ended unseen as well.
    """
    for name in os.listdir("/proc"):
        if name.isdigit() and stat(int(name))[1] == pid:
            yield int(name)


def forkServers(pid: int) -> list[int]:
    """The pids of the fork servers of a daemon."""
    return [child for child in childrenOf(pid) if _isForkServer(child)]


def _isForkServer(pid: int) -> bool:
    """Whether a process is a fork server."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"/_forkhelper.py" in file.read()
    except (FileNotFoundError, ProcessLookupError):
        return False


def programs(pid: int) -> list[int]:
    """
    The pids of the programs that a daemon and its fork servers have started, and of
    those that have ended without being waited for.
    """
    helpers = forkServers(pid)
    own = set(childrenOf(pid)).difference(helpers)
    return sorted(own.union(*map(childrenOf, helpers)))


def descriptors(pids: Sequence[int]) -> int:
    """How many descriptors some processes have open."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def inodeOf(port: int, table: str = "tcp") -> int | None:
    """The inode of the socket that listens on a port."""
    state = "0A" if table.startswith("tcp") else "07"
    with open(f"/proc/net/{table}", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    for row in rows:
        if row[1].endswith(f":{port:04X}") and row[3] == state:
            return int(row[9])
    return None
