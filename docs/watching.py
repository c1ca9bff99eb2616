# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Print what C{inetd status --watch} shows of a daemon that has clients, for the guide:
C{python docs/watching.py}.
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

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
#: The seconds that it is watched for.
WATCHED = 9.0
#: How many characters and lines the terminal has.
WIDTH, HEIGHT = 80, 24

CONF = """\
21000 on protocol = tcp, wait = no, user = -, exec = {python},
    args = python {folder}/lower.py, warm = yes;
21001 stream tcp nowait/8   - /bin/sh sh -c 'read line; sleep 1.5; echo $line'
21002 stream tcp nowait.300 - /bin/sh sh -c 'exit 3'
21003 dgram  udp wait       - internal echo
21004 stream tcp nowait     - /bin/cat cat
"""
LOWER = """\
import sys
for line in sys.stdin:
    print(line.lower(), end="", flush=True)
"""
#: The port, what a client says, the seconds until the next one, and how many there are.
CLIENTS = (
    (21000, b"HELLO\n", 0.005, 3),
    (21001, b"x\n", 0.01, 14),
    (21002, b"", 0.01, 2),
)


def connect(port: int, said: bytes, pause: float) -> None:
    """
    Be one client after the other.
    """
    while True:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 20) as client,
        ):
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            while client.recv(1000):
                """Whatever is answered."""
        time.sleep(pause)


def send() -> None:
    """
    Send datagrams.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        while True:
            client.sendto(b"x", ("127.0.0.1", 21003))
            client.recv(9)
            time.sleep(0.02)


def watch(env: dict[str, str]) -> str:
    """
    What a terminal gets.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", HEIGHT, WIDTH, 0, 0))
    argv = [sys.executable, "-m", "inetdtw", "status", "--watch"]
    watching = subprocess.Popen(
        argv, env=env, stdin=theirs, stdout=theirs, start_new_session=True
    )
    os.close(theirs)
    got, end = b"", time.monotonic() + WATCHED
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.2)[0]:
            got += os.read(ours, 65536)
    watching.send_signal(signal.SIGINT)
    watching.wait()
    return got.decode()


def serve(folder: str) -> str:
    """
    Have a daemon with clients, and watch it.
    """
    conf = os.path.join(folder, "inetd.conf")
    for name, text in (
        ("lower.py", LOWER),
        ("inetd.conf", CONF.format(folder=folder, python=sys.executable)),
    ):
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)
    control = os.path.join(folder, "control")
    env = {**os.environ, "PYTHONPATH": ROOT, "INETD_CONTROL": control}
    argv = [sys.executable, "-m", "inetdtw", "-fe", "--log-level", "error", conf]
    with socket.create_server(("0.0.0.0", 21004)):
        daemon = subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL)
        while not os.path.exists(control):
            time.sleep(0.1)
        threading.Thread(target=send, daemon=True).start()
        for port, said, pause, count in CLIENTS:
            client = (port, said, pause)
            for _ in range(count):
                threading.Thread(target=connect, args=client, daemon=True).start()
        try:
            return watch(env)
        finally:
            daemon.terminate()
            daemon.wait()


def main() -> None:
    """
    Print the last screen.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = serve(folder)
    *_, last = text.split("\x1b[H")
    print(re.sub("\x1b\\[[?0-9]*[a-zA-Z]", "", last).replace("\r", ""))


if __name__ == "__main__":
    main()
