# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Run a real daemon, talk to it, and see that nothing of it is left.

    >>> port = freePort()
    >>> with Daemon(twistd("inetd", "--conf", path), ports=[port]) as daemon:
    ...     talk(port, b"hello")
    ...     daemon.waitForLog("hello")

Nothing here waits for a fixed time: everything that takes time is polled until it is
true, or until a deadline fails the test with the daemon's log.

The daemon and all that it starts can be found by one variable in their environment, so
that a process is found when it has a session of its own, or when its parent has ended.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from typing import TYPE_CHECKING, TypeVar

from tests.support import MEASURING, checkout, interpreters
from tests.support.processes import pids, read

if TYPE_CHECKING:
    import pwd
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import TracebackType

_T = TypeVar("_T")

#: How long anything may take on a machine that has other things to do.
DEADLINE = 30.0

#: The variable that the daemon and everything it starts carry: its name is one that
#: programs of other users get, too.
TOKEN = "LC_INETDTW_TEST"

#: How many ports a process of tests claims at once.
_BLOCK = 250

_claims: list[socket.socket] = []
_ports: list[int] = []


def twistd(*arguments: str) -> list[str]:
    """Return the command line of C{twistd} in the foreground, without a pid file."""
    run = "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run"
    return [
        interpreters.python(),
        "-c",
        f"{run}; run()",
        "-n",
        "--pidfile=",
        *arguments,
    ]


def environment(user: pwd.struct_passwd | None = None, **more: str) -> dict[str, str]:
    """
    Return the environment of a daemon: C{inetdtw} and C{python3} are found.

    @param user: the user of the login variables; by default, the one of the tests.
    @param more: further variables.
    """
    env = dict(os.environ, PYTHONPATH=checkout.path())
    env["PATH"] = (
        f"{os.path.dirname(interpreters.python())}:{env.get('PATH', os.defpath)}"
    )
    # Most daemons are not asked, and many of them run at once.
    env["INETD_CONTROL"] = "none"
    if MEASURING in env:
        env["COVERAGE_PROCESS_CONFIG"] = env.pop(MEASURING)
    if user is not None:
        env.update(USER=user.pw_name, LOGNAME=user.pw_name, HOME=user.pw_dir)
    return {**env, **more}


@functools.cache
def shippedPorts() -> frozenset[int]:
    """Return the ports of the configuration that is shipped."""
    path = os.path.join(checkout.ORIGINAL, "etc", "inetd.conf")
    with open(path, encoding="ascii") as file:
        return frozenset(map(int, re.findall(r"^(\d+)\s", file.read(), re.M)))


def freePort() -> int:
    """
    Return a port, not returned before, without a listening TCP or UDP socket.

    It is below the ephemeral ports, and of a block that no other process of tests has.
    It is none of the shipped file, which a test serves as it is.
    """
    while True:
        if not _ports:
            _ports.extend(_claimed())
        port = _ports.pop()
        if port not in shippedPorts() and not portIsTaken(port):
            return port


def _claimed() -> list[int]:
    """Ports that are this process' alone among those of tests, as long as it lives."""
    blocks = list(range(10000, 32000, _BLOCK))
    random.shuffle(blocks)
    for block in blocks:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0inetdtw-test-ports-{block}")
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        _claims.append(claim)
        return random.sample(range(block, block + _BLOCK), _BLOCK)
    raise AssertionError("other processes have all ports that are for tests")


def portIsTaken(port: int) -> bool:
    """Return whether a port of loopback cannot be bound, with TCP or with UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                return True
    return False


def isServed(port: int) -> bool:
    """Return whether a socket listens on a port, without talking to it."""
    try:
        return any(_isServed(table, port) for table in ("tcp", "tcp6", "udp", "udp6"))
    except FileNotFoundError:  # not Linux
        return portIsTaken(port)


def _isServed(table: str, port: int) -> bool:
    """Return whether a table of sockets has a listening or unconnected one."""
    state = "0A" if table.startswith("tcp") else "07"
    with open(f"/proc/net/{table}", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    return any(row[1].endswith(f":{port:04X}") and row[3] == state for row in rows)


def eventually(
    condition: Callable[[], _T | None],
    what: Callable[[], str],
    seconds: float = DEADLINE,
) -> _T:
    """
    Poll until a condition is true.

    @param what: returns what the test waits for, when it has not become true in time.
    @return: what the condition returned.
    @raise AssertionError: when it has not become true in time.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} seconds: {what()}")
        time.sleep(0.02)
    return found


def talk(port: int, sent: bytes, host: str = "127.0.0.1") -> bytes:
    """Send everything over TCP, shut down that direction, and read to EOF."""
    with socket.create_connection((host, port), timeout=DEADLINE) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def talkOrNothing(port: int, sent: bytes) -> bytes:
    """
    L{talk}, where the connection may be closed before all is sent or read.

    @return: nothing then.
    """
    try:
        return talk(port, sent)
    except OSError as why:
        if why.errno not in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN):
            raise
        return b""


def ask(port: int, sent: bytes, host: str = "127.0.0.1") -> bytes:
    """Send one datagram, and wait for one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE)
        client.connect((host, port))
        client.send(sent)
        return client.recv(65536)


class Daemon:
    """
    A real process, everything it starts, and what all of them print.

    Use it as a context, or call L{start} and add L{stop} to the test's cleanups.

    @ivar process: the process that was started.
    """

    process: subprocess.Popen[bytes]

    def __init__(
        self,
        argv: Sequence[str],
        *,
        ports: Iterable[int] = (),
        env: Mapping[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
        cwd: str | None = None,
        fds: Sequence[int] = (),
    ) -> None:
        """
        Prepare a daemon without starting it.

        @param argv: the command, which may daemonize.
        @param ports: the daemon is ready when sockets listen on all of these.
        @param env: its whole environment; by default, L{environment} for the user.
        @param user: the user that runs it, by default the one of the tests; needs root.
        @param cwd: its working directory; by default, the checkout.
        @param fds: file descriptors that it inherits beside the standard ones.
        """
        self._fds = tuple(fds)
        self._argv = list(argv)
        self._ports = tuple(ports)
        self._token = uuid.uuid4().hex
        self._env = {**(environment(user) if env is None else env), TOKEN: self._token}
        self._user = user
        self._cwd = checkout.path() if cwd is None else cwd
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as self

    def __enter__(self) -> Daemon:
        """Start, and wait until it is ready."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; show the log of a test that failed."""
        if kind is not None:
            sys.stderr.write(f"\n{self._argv} printed:\n{self.log()}\n")
        self.stop()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        user = self._user
        self.process = subprocess.Popen(
            self._argv,
            cwd=self._cwd,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=self._fds,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=user and os.getgrouplist(user.pw_name, user.pw_gid),
        )
        try:
            self._waitUntilReady()
        except BaseException:
            self.stop()
            raise

    def _waitUntilReady(self) -> None:
        """Wait until sockets listen on all ports, or all processes have ended."""
        eventually(
            lambda: all(map(isServed, self._ports)) or not self.family(),
            lambda: f"listening on {self._ports}; the log:\n{self.log()}",
        )
        if not self.family():
            raise AssertionError(f"{self._argv} has ended; the log:\n{self.log()}")

    def log(self) -> str:
        """Everything that it, and what it started, printed until now."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def lines(self, text: str) -> list[str]:
        """Return the lines of the log that contain a string."""
        return [line for line in self.log().splitlines() if text in line]

    def waitForLog(self, text: str, count: int = 1) -> None:
        """Wait until the log contains a string a number of times."""
        eventually(
            lambda: self.log().count(text) >= count,
            lambda: f"{text!r} {count} times in the log:\n{self.log()}",
        )

    def family(self) -> list[int]:
        """Return the process ids of the daemon and of what it started, while alive."""
        carried = f"{TOKEN}={self._token}"
        alive = [] if self.process.poll() is not None else [self.process.pid]
        return sorted({*alive, *(p for p in pids() if carried in read(p, "environ"))})

    def stop(self) -> None:
        """
        Ask it to end, then what it started; do nothing when all of it has ended.

        @raise AssertionError: when some of it has to be killed.
        """
        try:
            self._terminate([self.process.pid])
            self._terminate(self.family())
        finally:
            _signal(self.family(), signal.SIGKILL)
            self.process.wait()

    def _terminate(self, pids: list[int]) -> None:
        """Ask some of the family to end, and wait until they have."""
        mine = set(pids).intersection(self.family())
        _signal(mine, signal.SIGTERM)
        eventually(
            lambda: not mine.intersection(self.family()),
            lambda: f"the end of {sorted(mine)}; the log:\n{self.log()}",
        )


def _signal(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes, any of which may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
