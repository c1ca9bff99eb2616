# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Draw C{inetd status} with 40 services, three of them in trouble, for the guide.

Run it as C{python docs/forty.py}.  It writes C{docs/status-80.svg} and
C{docs/status-120.svg}, of terminals of 80 and 120 columns.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator

import picture

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
WIDTHS = (80, 120)
#: The first of the ports, which follow each other.
FIRST = 21000
MISSING = "/usr/local/sbin/in.reportd"
LONG = "reports-of-the-accounting-department"


def configuration() -> str:
    """Return the lines of 40 services."""
    lines = [
        f"{FIRST + at} stream tcp nowait/{at} - /bin/cat cat" for at in range(10, 40)
    ]
    lines += [f"{FIRST + at} dgram udp wait - internal echo" for at in range(40, 46)]
    lines.insert(7, f"{FIRST + 1} stream tcp nowait - {MISSING} in.reportd")
    lines.insert(19, f"{FIRST + 2} stream tcp nowait - /bin/sh sh -c 'exit 3'")
    lines.insert(28, f"{FIRST + 3} stream tcp nowait - /bin/cat cat")
    lines.append(
        f"{FIRST + 4} on protocol = tcp, id = {LONG}, wait = no, user = -, "
        "exec = /bin/cat, args = cat;"
    )
    return "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def served(directory: str) -> Iterator[dict[str, str]]:
    """Run a daemon, and yield the environment of the commands."""
    conf = os.path.join(directory, "inetd.conf")
    with open(conf, "w", encoding="ascii") as file:
        file.write(configuration())
    control = os.path.join(directory, "control")
    env = {**os.environ, "PYTHONPATH": ROOT, "INETD_CONTROL": control, "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    argv = [sys.executable, "-m", "inetdtw", "-fe", "--log-level", "error", conf]
    with socket.create_server(("0.0.0.0", FIRST + 3)):
        daemon = subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL)
        try:
            while not os.path.exists(control) and daemon.poll() is None:
                time.sleep(0.1)
            yield env
        finally:
            daemon.terminate()
            daemon.wait()


def connect(port: int) -> socket.socket:
    """Return a client."""
    return socket.create_connection(("127.0.0.1", port), 20)


def fail() -> None:
    """Be the clients of the services that fail."""
    for port in (FIRST + 1, FIRST + 2):
        for _ in range(4):
            with contextlib.suppress(OSError), connect(port) as client:
                client.recv(1)


def printed(env: dict[str, str], width: int) -> str:
    """Return what C{inetd status} prints on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 60, width, 0, 0))
    argv = [sys.executable, "-m", "inetdtw", "status"]
    printing = subprocess.Popen(argv, env=env, stdin=theirs, stdout=theirs)
    os.close(theirs)
    got = b""
    with contextlib.suppress(OSError):
        while data := os.read(ours, 65536):
            got += data
    printing.wait()
    os.close(ours)
    return got.decode().replace("\r", "")


def main() -> None:
    """Draw both pictures."""
    with contextlib.ExitStack() as opened:
        directory = opened.enter_context(tempfile.TemporaryDirectory())
        env = opened.enter_context(served(directory))
        fail()
        for at in (12, 12, 13, 13, 13, 17, 25):
            opened.enter_context(connect(FIRST + at))
        time.sleep(0.5)
        for width in WIDTHS:
            path = os.path.join(ROOT, "docs", f"status-{width}.svg")
            picture.write(path, "$ inetd status", printed(env, width))


if __name__ == "__main__":
    main()
