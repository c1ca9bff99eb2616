# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Have an installed C{inetd} tell its version, and serve echoes: by itself, by a program.

    python .ci/served.py PATH-OF-INETD VERSION
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time

_SECONDS = 30.0

_NAMES = ("internal", "program")


def talk(path: str, sent: bytes) -> bytes:
    """Be a client of a socket, as soon as it is there."""
    deadline = time.monotonic() + _SECONDS
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_SECONDS)
        while client.connect_ex(path):
            if time.monotonic() > deadline:
                sys.exit(f"nobody listens at {path}")
            time.sleep(0.05)
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def main(inetd: str, version: str) -> None:
    """Fail if anything is not as it should be."""
    told = subprocess.check_output([inetd, "--version"], text=True, cwd="/")
    if version not in told.split():
        sys.exit(f"it is version {version} and says '{told.strip()}'")
    with tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, "inetd.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(f"{folder}/internal stream unix nowait - internal echo\n")
            file.write(f"{folder}/program stream unix nowait - cat cat\n")
        daemon = subprocess.Popen([inetd, "-f", "-e", conf], cwd="/")
        try:
            sent = os.urandom(100_000)
            answers = [talk(f"{folder}/{name}", sent) for name in _NAMES]
        finally:
            daemon.terminate()
            daemon.wait(_SECONDS)
    if answers != [sent, sent]:
        sys.exit("an answer is not what was sent")
    print(told.strip(), "serves")


if __name__ == "__main__":
    main(*sys.argv[1:])
