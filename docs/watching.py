# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Print the output of C{inetd status --watch} for a daemon with clients, for the guide.

Run it as C{python docs/watching.py}.  With C{--svg FILE} it draws a terminal's picture,
for C{README.rst}.  A test passes the seconds and five ports.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence

import picture

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
#: How long to watch, in seconds: the default, and the maximum until L{ALL} is shown.
SECONDS, MOST = "9", 60.0
ALL = ("at limit", "until ", "bind failed")
#: The ports of the services.
PORTS = ("21000", "21001", "21002", "21003", "21004")
#: The size of the terminal, in characters and lines.
WIDTH, HEIGHT = 96, 24

CONF = """\
{ports[0]} on protocol = tcp, wait = no, user = -, exec = {python},
    args = python {directory}/lower.py, warm = yes;
{ports[1]} stream tcp nowait/8   - /bin/sh sh -c 'read line; sleep 1.5; echo $line'
{ports[2]} stream tcp nowait.300 - /bin/sh sh -c 'exit 3'
{ports[3]} dgram  udp wait       - internal echo
{ports[4]} stream tcp nowait     - /bin/cat cat
"""
LOWER = """\
import sys
for line in sys.stdin:
    print(line.lower(), end="", flush=True)
"""
#: For the first services: the text of a client, the seconds until the next one, and the
#: number of threads.
CLIENTS = ((b"HELLO\n", 0.005, 3), (b"x\n", 0.01, 14), (b"", 0.01, 2))


def connect(port: int, said: bytes, pause: float) -> None:
    """Connect as one client after the other."""
    while True:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 20) as client,
        ):
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1000):
                pass  # Any answer will do.
        time.sleep(pause)


def send(port: int) -> None:
    """Send datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        while True:
            client.sendto(b"x", ("127.0.0.1", port))
            client.recv(9)
            time.sleep(0.02)


def watch(env: dict[str, str], seconds: float) -> str:
    """Return the last screen of a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", HEIGHT, WIDTH, 0, 0))
    argv = [sys.executable, "-m", "inetdtw", "status", "--watch"]
    watching = subprocess.Popen(
        argv, env=env, stdin=theirs, stdout=theirs, start_new_session=True
    )
    os.close(theirs)
    got, begun, over = b"", time.monotonic(), 0.0
    while over < seconds or (over < MOST and not all(map(shown(got).count, ALL))):
        over = time.monotonic() - begun
        if select.select([ours], [], [], 0.2)[0]:
            got += os.read(ours, 65536)
    watching.send_signal(signal.SIGINT)
    watching.wait()
    os.close(ours)
    return shown(got)


def shown(got: bytes) -> str:
    """Return the last screen of a terminal's output that is complete, with colours."""
    found = re.findall("\x1b\\[H([^\x00]*?)\x1b\\[J", got.decode(errors="ignore"))
    last = found[-1] if found else ""
    return re.sub("\x1b\\[[?0-9]*[a-ln-zA-Z]", "", last).replace("\r", "")


def serve(directory: str, seconds: float, ports: Sequence[str]) -> str:
    """Start a daemon with clients, and watch it."""
    conf = os.path.join(directory, "inetd.conf")
    for name, text in (
        ("lower.py", LOWER),
        (
            "inetd.conf",
            CONF.format(directory=directory, python=sys.executable, ports=ports),
        ),
    ):
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(text)
    control = os.path.join(directory, "control")
    env = {**os.environ, "PYTHONPATH": ROOT, "INETD_CONTROL": control, "TERM": "xterm"}
    argv = [sys.executable, "-m", "inetdtw", "-fe", "--log-level", "error", conf]
    with socket.create_server(("0.0.0.0", int(ports[4]))):
        daemon = subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL)
        while not os.path.exists(control) and daemon.poll() is None:
            time.sleep(0.1)
        threading.Thread(target=send, args=(int(ports[3]),), daemon=True).start()
        for port, (said, pause, count) in zip(ports, CLIENTS):
            client = (int(port), said, pause)
            for _ in range(count):
                threading.Thread(target=connect, args=client, daemon=True).start()
        try:
            return watch(env, seconds)
        finally:
            daemon.terminate()
            daemon.wait()


def main(*arguments: str) -> None:
    """
    Print the last screen, or draw it to a file.

    @param arguments: C{--svg FILE} if it is to be drawn, the seconds, and five ports.
    """
    _, path, *rest = arguments if arguments[:1] == ("--svg",) else ("", "", *arguments)
    seconds, *ports = rest or [SECONDS]
    with tempfile.TemporaryDirectory() as directory:
        screen = serve(directory, float(seconds), ports or PORTS)
    if not path:
        print(re.sub("\x1b\\[[0-9]*m", "", screen))
        return
    picture.write(path, "$ inetd status --watch", screen)


if __name__ == "__main__":
    main(*sys.argv[1:])
