# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Programs of all kinds of services report how they were started.

A daemon serves one program for each kind of service. The program inspects itself and
sends what it finds to its client.
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.daemon import (
    Daemon,
    ask,
    environment,
    eventually,
    freePort,
    talk,
    twistd,
)
from tests.support.processes import parseStatus
from tests.support.serving import ServingTestCase

if TYPE_CHECKING:
    import pwd
    from collections.abc import Mapping, Sequence

#: The ways to start a program.
LAUNCHES = ("direct", "forkserver")

#: A program that reports what it finds.
PROBE = """\
import json, os, socket, sys

def descriptors():
    for name in os.listdir("/proc/self/fd"):
        try:
            yield name, os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # the directory itself, closed by now

def texts(path):
    with open(path, "rb") as file:
        return os.fsdecode(file.read()).split("\\0")[:-1]

found = dict(descriptors())
service = socket.socket(fileno=0)
mask = os.umask(0)
with open("/proc/self/status") as file:
    status = dict(line.rstrip("\\n").split(":\\t", 1) for line in file)
report = json.dumps({
    "fds": found,
    "blocking": [os.get_blocking(fd) for fd in range(3)],
    "listens": service.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN),
    "pid": os.getpid(),
    "session": os.getsid(0),
    "group": os.getpgid(0),
    "directory": os.getcwd(),
    "umask": mask,
    "environment": dict(text.split("=", 1) for text in texts("/proc/self/environ")),
    "arguments": sys.argv,
    "groups": os.getgroups(),
    "status": status,
}).encode()

if sys.argv[1] == "print":
    os.write(1, report)
elif sys.argv[1] == "accept":
    with service.accept()[0] as client:
        client.sendall(report)
else:
    service.sendto(report, service.recvfrom(65536)[1])
service.detach()
"""


@dataclass(frozen=True)
class Kind:
    """
    One kind of service.

    @ivar protocol: C{tcp} or C{udp}.
    @ivar wait: C{yes} or C{no}.
    @ivar way: how its program reaches its client.
    """

    protocol: str
    wait: str
    way: str

    def ask(self, port: int) -> bytes:
        """Connect, and return what the program sends."""
        # A connection from which not all was read is reset when it is closed.
        return talk(port, b"") if self.protocol == "tcp" else ask(port, b"?")


#: All signals, as a set of bits.  The C library has two more for itself, and
#: leaves those ignored in what posix_spawn(3) starts.
_SIGNALS = sum(1 << (number - 1) for number in signal.valid_signals())

#: All kinds of services, by name.
KINDS = {
    "stream nowait": Kind("tcp", "no", "print"),
    "stream wait": Kind("tcp", "yes", "accept"),
    "dgram wait": Kind("udp", "yes", "receive"),
    "dgram nowait": Kind("udp", "no", "print"),
}


class ProbeTestCase(ServingTestCase):
    """A test case with programs that report what they find."""

    def service(self, port: int, kind: Kind, launch: str, user: str) -> str:
        """Return the definition of a service whose program reports what it finds."""
        path = self.program("probe", PROBE)
        return (
            f"{port} on protocol = {kind.protocol}, wait = {kind.wait}, user = {user}, "
            f"launch = {launch}, exec = {path}, args = probe {kind.way} 'two words';\n"
        )

    def reports(
        self,
        launch: str,
        user: str,
        owner: pwd.struct_passwd | None = None,
        env: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """
        Return what the programs of all kinds of services find.

        @param user: the user of the programs.
        @param owner: the user of the daemon.
        @param env: more variables of the daemon's.
        """
        ports = {name: freePort() for name in KINDS}
        conf = "".join(
            self.service(ports[name], kind, launch, user)
            for name, kind in KINDS.items()
        )
        env = environment(owner, **(env or {}))
        path = self.write("inetd.conf", conf)
        argv = [*LITTERING, *twistd("inetd", "--conf", path)]
        found = {}
        with Daemon(argv, ports=ports.values(), user=owner, env=env):
            for name, kind in KINDS.items():
                found[name] = json.loads(kind.ask(ports[name]))
                found[name]["port"] = ports[name]
        return found

    def signals(
        self,
        launch: str,
        user: str,
        owner: pwd.struct_passwd | None = None,
        wrapper: Sequence[str] = (),
    ) -> dict[str, dict[str, int]]:
        """
        Return the signals that programs block, ignore and catch, as bits.

        @param wrapper: a command line that runs the daemon.
        """
        ports = {name: freePort() for name in KINDS}
        conf = "".join(
            f"{ports[name]} on protocol = {kind.protocol}, wait = {kind.wait}, "
            f"user = {user}, launch = {launch}, exec = /bin/cp, "
            f"args = cp /proc/self/status {self._statusFile(name)};\n"
            for name, kind in KINDS.items()
        )
        os.chmod(self.directory, 0o777)
        path = self.write("inetd.conf", conf)
        argv = [*wrapper, *twistd("inetd", "--conf", path)]
        found = {}
        with Daemon(argv, ports=ports.values(), user=owner) as daemon:
            for name, kind in KINDS.items():
                client = self._knock(ports[name], kind)
                statusFile = self._statusFile(name)
                found[name] = eventually(lambda: _signalsOf(statusFile), daemon.log)  # noqa: B023
                client.close()
        for name in KINDS:
            os.unlink(self._statusFile(name))
        return found

    def _statusFile(self, name: str) -> str:
        """Return the path where a program writes its status."""
        return self.path(name.replace(" ", "-"))

    def _knock(self, port: int, kind: Kind) -> Any:
        """Connect without reading an answer."""
        if kind.protocol == "tcp":
            return self.connect(port)
        client = self.datagrams()
        client.sendto(b"?", ("127.0.0.1", port))
        return client


def _signalsOf(path: str) -> dict[str, int] | None:
    """
    Return the signals in a copy of C{/proc/PID/status}.

    @return: C{None} while the copy is not complete: a C{wait} service whose program
        accepts nothing is started again, and truncates it.
    """
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if "nonvoluntary_ctxt_switches" not in text:
        return None
    status = parseStatus(text)
    names = ("SigBlk", "SigIgn", "SigCgt")
    return {name: int(status[name], 16) & _SIGNALS for name in names}


#: What L{ProbeTestCase.signals} finds for signals that do what they do by default.
DEFAULT_SIGNALS = {"SigBlk": 0, "SigIgn": 0, "SigCgt": 0}

#: Start a command that finds a descriptor open which it knows nothing of, and a umask
#: that is not for its programs.
LITTERING = ("/bin/sh", "-c", 'umask 027; exec "$@" 9</dev/null', "sh")

#: Start a command that ignores and blocks what a careless starter ignores and blocks.
CARELESS = (
    "/bin/sh",
    "-c",
    'trap "" HUP INT QUIT PIPE USR1 TTOU; exec "$@"',
    "sh",
)


def blocking(python: str) -> tuple[str, ...]:
    """Start a command with signals blocked."""
    blocked = {int(number) for number in (signal.SIGUSR1, signal.SIGALRM)}
    code = (
        "import os, signal, sys;"
        f"signal.pthread_sigmask(signal.SIG_BLOCK, {blocked});"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return python, "-c", code
