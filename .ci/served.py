# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Check the version of an installed C{inetd}, and that it serves.

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
    """Connect to a socket as soon as it exists, and return the answer."""
    deadline = time.monotonic() + _SECONDS
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_SECONDS)
        while client.connect_ex(path):
            if time.monotonic() > deadline:
                sys.exit(f"'{path}': no process listens")
            time.sleep(0.05)
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def main(inetd: str, version: str) -> None:
    """Exit with an error if a check fails."""
    told = subprocess.check_output([inetd, "--version"], text=True, cwd="/")
    if version not in told.split():
        sys.exit(f"version {version} prints '{told.strip()}'")
    with tempfile.TemporaryDirectory() as directory:
        conf = os.path.join(directory, "inetd.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(f"{directory}/internal stream unix nowait - internal echo\n")
            file.write(f"{directory}/program stream unix nowait - cat cat\n")
        daemon = subprocess.Popen([inetd, "-f", "-e", conf], cwd="/")
        try:
            sent = os.urandom(100_000)
            answers = [talk(f"{directory}/{name}", sent) for name in _NAMES]
        finally:
            daemon.terminate()
            daemon.wait(_SECONDS)
    if answers != [sent, sent]:
        sys.exit("an answer differs from the request")
    print(told.strip(), "serves")


if __name__ == "__main__":
    main(*sys.argv[1:])
