# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A daemon with a service of every kind, all of which send back what they are sent."""

from __future__ import annotations

import errno
import os
import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Callable

from inetdtw.serve.tcpmux import NOT_AVAILABLE
from tests.support import interpreters
from tests.support.daemon import DEADLINE, Daemon, freePort, twistd
from tests.support.users import nameOf, ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: How many bytes clients send.
SIZES = (1, 10, 100, 1000, 20_000)

_HOST = "127.0.0.1"
_ENDS = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)

#: Sends back what comes, like cat.
CAT = """\
import os
for data in iter(lambda: os.read(0, 65536), b''):
    while data:
        data = data[os.write(1, data):]
"""

#: Accepts connections until none arrives for a moment.
ACCEPT = """\
import select, socket, threading
listening = socket.socket(fileno=0)
def serve(client):
    with client:
        for data in iter(lambda: client.recv(65536), b''):
            client.sendall(data)
while select.select([listening], [], [], 0.3)[0]:
    client, _ = listening.accept()
    threading.Thread(target=serve, args=(client,)).start()
"""

#: Answers datagrams until none arrives for a moment.
ANSWER = """\
import select, socket
bound = socket.socket(fileno=0)
while select.select([bound], [], [], 0.3)[0]:
    bound.sendto(*bound.recvfrom(65536))
"""

_CONF = """\
{internal} stream tcp nowait - internal echo
{direct} on protocol = tcp, wait = no, user = -, exec = cat, launch = direct;
{forked} stream tcp nowait {user} cat cat
{bounded} stream tcp nowait/8 {user} cat cat
{warm} on protocol = tcp, wait = no, user = {user}, warm = yes,
    exec = {python}, args = {python} {directory}/cat.py;
{tcpmux} stream tcp nowait - internal tcpmux
tcpmux/cat stream tcp nowait {user} cat cat
{directory}/socket stream unix nowait {user} cat cat
{wait} stream tcp wait {user} {python} {python} {directory}/accept.py
{datagrams} dgram udp wait - internal echo
{waitingDatagrams} dgram udp wait {user} {python} {python} {directory}/answer.py
"""

_PORTS = ("internal", "direct", "forked", "bounded", "warm", "tcpmux", "wait")
_STARTED = ("direct", "forked", "bounded", "warm")
_UDP_PORTS = ("datagrams", "waitingDatagrams")


class Mixed:
    """
    A configuration, and its clients.

    @ivar directory: the path of its directory.
    @ivar conf: the path of the file.
    @ivar ports: by the names of services.
    @ivar clients: by its name, a function that sends bytes to a service and returns the
        answer.
    """

    def __init__(self, directory: str, more: str = "") -> None:
        """
        Write the files.

        @param directory: a directory that every user can read.
        @param more: text that follows the configuration.
        """
        self.directory = directory
        self.conf = os.path.join(directory, "inetd.conf")
        self.ports = {name: freePort() for name in (*_PORTS, *_UDP_PORTS)}
        for name, text in (("cat", CAT), ("accept", ACCEPT), ("answer", ANSWER)):
            self._write(f"{name}.py", text)
        conf = _CONF.format(
            user=nameOf(ordinaryUser()),
            python=interpreters.python(),
            directory=directory,
            **self.ports,
        )
        self._write("inetd.conf", conf + more)
        self.clients: Mapping[str, Callable[[bytes], bytes]] = {
            **{name: partial(talk, self.ports[name]) for name in _PORTS},
            "tcpmux": partial(talk, self.ports["tcpmux"], before=b"cat\r\n"),
            "unix": partial(talk, os.path.join(directory, "socket")),
        }

    def accepted(self, log: str) -> dict[str, int]:
        """
        Return for how many clients a program was started.

        @param daemon: it has the option C{-l}.
        """
        names = {name: f"{self.ports[name]}/tcp" for name in _STARTED}
        names.update(tcpmux="tcpmux/cat", unix=f"{self.directory}/socket/unix")
        return {name: log.count(f" start {each} ") for name, each in names.items()}

    def _write(self, name: str, text: str) -> None:
        """Write a file."""
        with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
            file.write(text)

    def daemon(self, options: Sequence[str] = ()) -> Daemon:
        """Return a daemon that serves it."""
        argv = twistd("inetd", "--conf", self.conf, *options)
        return Daemon(argv, ports=self.ports.values())


def talk(address: int | str, sent: bytes, before: bytes = b"") -> bytes:
    """
    Connect to a port or a UNIX socket, send, and read to EOF.

    @param before: is sent first, and not sent back.
    """
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        # With a time limit, a UNIX socket whose queue is full refuses at once.
        if isinstance(address, int):
            client.settimeout(DEADLINE * 2)
        client.connect(address if isinstance(address, str) else (_HOST, address))
        client.settimeout(DEADLINE * 2)
        client.sendall(before + sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def text(number: int) -> bytes:
    """Return what a client sends, and no other one does."""
    rest = random.Random(number).randbytes(SIZES[number % len(SIZES)])
    return b"%d:%s" % (number, rest)


@dataclass
class Outcomes:
    """
    The outcomes of clients.

    @ivar counts: how many have each outcome: C{right}, C{lost} (nothing came), C{short}
        (the beginning of what was sent), C{wrong}, C{refused}, C{reset}, and C{late}
        (nothing for a minute).
    @ivar others: what is not right, for messages.
    """

    counts: Counter[str] = field(default_factory=Counter)
    others: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Return how many were not served as they should be."""
        return sum(self.counts[name] for name in ("lost", "short", "wrong"))

    def add(self, service: str, number: int, outcome: str) -> None:
        """Count a client."""
        self.counts[outcome] += 1
        if outcome != "right":
            self.others.append(f"{service} {number}: {outcome}")

    def __str__(self) -> str:
        """Return a line for the output."""
        rest = ("lost", "short", "wrong", "refused", "reset", "late")
        return " ".join(f"{name}={self.counts[name]}" for name in ("right", *rest))


def outcome(client: Callable[[bytes], bytes], number: int) -> str:
    """Connect, and return the outcome."""
    sent = text(number)
    try:
        answer = client(sent)
    except ConnectionRefusedError:
        return "refused"
    except socket.timeout:
        return "late"
    except OSError as why:
        return "reset" if why.errno in _ENDS else f"failed: {why}"
    if answer == sent:
        return "right"
    if answer == NOT_AVAILABLE:
        return "refused"
    if not answer:
        return "lost"
    return "short" if sent.startswith(answer) else "wrong"


def flood(
    clients: Mapping[str, Callable[[bytes], bytes]], count: int, atOnce: int
) -> dict[str, Outcomes]:
    """
    Have very many clients, each service's in turn.

    @param count: how many.
    @param atOnce: how many at a time.
    @return: what became of them, by their services.
    """
    names = list(clients)
    found = {name: Outcomes() for name in names}

    def one(number: int) -> tuple[str, int, str]:
        name = names[number % len(names)]
        return name, number, outcome(clients[name], number)

    with ThreadPoolExecutor(atOnce) as pool:
        for name, number, what in pool.map(one, range(count)):
            found[name].add(name, number, what)
    return found


def overflows() -> int:
    """
    Return how often the kernel has refused a client on a full backlog.

    The client tries again after a second, or two, or four.
    """
    with open("/proc/net/netstat", encoding="ascii") as lines:
        names, values = (line.split() for line in lines if line.startswith("TcpExt:"))
    return int(values[names.index("ListenOverflows")])
