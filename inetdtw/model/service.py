# -*- test-case-name: inetdtw.model.test.test_service -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A service in numbers and absolute paths: all that the daemon needs to know.

Every class here is a frozen value, so that a reload can compare what runs with
what is wanted.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from inetdtw.model.address import Address
from inetdtw.model.errors import Location
from inetdtw.model.process import Login, ProcessContext

#: The names of the internal services (RFC 862-864, 867 and 868).
INTERNAL_NAMES = frozenset(("echo", "discard", "chargen", "daytime", "time"))

#: The types of sockets that a service can have, as inetd.conf(5) calls them.
SOCKTYPES = {
    "stream": socket.SOCK_STREAM,
    "dgram": socket.SOCK_DGRAM,
    "seqpacket": socket.SOCK_SEQPACKET,
}
#: What each is called.
SOCKTYPE_NAMES: dict[int, str] = {kind: name for name, kind in SOCKTYPES.items()}


@dataclass(frozen=True)
class Program:
    """
    What to execute.

    @ivar name: an absolute path, or a name to look for.
    @ivar directories: those of PATH in which a name is looked for, in order.
    @ivar argv: its arguments, its own name first.
    """

    name: str
    directories: tuple[str, ...]
    argv: tuple[str, ...]


@dataclass(frozen=True)
class WarmSpec:
    """
    How to keep an interpreter for a program that is Python's.

    @ivar starter: what is executed to start it, if it is not the program itself but
        what its first line names.
    @ivar prefix: the arguments up to the interpreter's last option, its own name first.
    @ivar hidden: how many of these are not the interpreter's but C{env}'s.
    @ivar form: C{-c}, C{-m}, or nothing for a script.
    @ivar words: C{-c} or C{-m} or a script, and what follows; without the script where
        that is the program itself.
    @ivar preload: what to import before there is a client: C{auto} or names with
        commas between, or nothing.
    """

    starter: str
    prefix: tuple[str, ...]
    hidden: int
    form: str
    words: tuple[str, ...]
    preload: str = ""


@dataclass(frozen=True)
class EnvironmentSpec:
    """
    What a service says of the environment of its programs.

    @ivar added: names and values.
    @ivar passed: the names of the daemon's variables that programs get; C{None} for
        all that do no harm.
    """

    added: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Bounds:
    """
    How many programs may start and run; 0 is no bound.

    @ivar acceptMax: at once.
    @ivar serviceMax: starts in a minute.
    @ivar ipMax: starts in a minute for one client address.
    @ivar perSource: at once for one client address.
    @ivar pause: the seconds to pause for after C{serviceMax} starts in a minute.
    @ivar answerMax: answers to datagrams in a minute for one client address.
    @ivar sourcePrefix: how many bits of an address of IPv4 and of IPv6 make what counts
        as one client address: a host of IPv6 usually has a /64 (RFC 6177, RFC 7421).
    """

    acceptMax: int = 0
    serviceMax: int = 0
    ipMax: int = 0
    perSource: int = 0
    pause: int = 60
    sourcePrefix: tuple[int, int] = (32, 64)
    answerMax: int = 6000

    @property
    def none(self) -> bool:
        """Whether there are none."""
        return not (self.acceptMax or self.serviceMax or self.ipMax or self.perSource)


@dataclass(frozen=True)
class SocketOptions:
    """
    How to set up a service's socket.

    @ivar backlog: for listen(2).
    @ivar sendBuffer: bytes, or C{None} for the system's choice.
    @ivar receiveBuffer: likewise.
    @ivar acceptFilter: the name of an accept filter.
    @ivar noDelay: whether connections have C{TCP_NODELAY}.
    @ivar keepAlive: whether connections have C{SO_KEEPALIVE}.
    """

    backlog: int = 128
    sendBuffer: int | None = None
    receiveBuffer: int | None = None
    acceptFilter: str | None = None
    noDelay: bool = False
    keepAlive: bool = False


@dataclass(frozen=True)
class Ownership:
    """Whose a UNIX socket is; an id of -1 changes nothing."""

    uid: int = -1
    gid: int = -1
    mode: int = 0o600


Key = tuple[Address, int]

#: The context of who runs the daemon.
OWN = ProcessContext()


@dataclass(frozen=True)
class Service:
    """
    One socket and what serves it.

    @ivar location: where it is written.
    @ivar name: what the log calls it.
    @ivar address: where it listens.
    @ivar socktype: C{SOCK_STREAM}, C{SOCK_DGRAM} or C{SOCK_SEQPACKET}.
    @ivar wait: whether one program at a time takes the service's own socket.
    @ivar internal: which internal service it is, if it is one.
    @ivar program: what to execute, otherwise.
    @ivar login: the user, where a program runs as another than the daemon.
    @ivar launch: C{direct} or C{forkserver}.
    @ivar stderr: where the program's standard error goes: C{socket}, C{log} or
        C{null}.
    @ivar variables: what it says of the environment of its programs.
    @ivar greets: whether a client that came by tcpmux is told that it is served.
    @ivar warm: how to keep an interpreter for it, if one is to be kept.
    @ivar refusal: what a client is told that is turned away because of a bound.
    """

    location: Location = field(compare=False)
    name: str
    address: Address
    socktype: int
    wait: bool = False
    internal: str | None = None
    program: Program | None = None
    login: Login | None = None
    context: ProcessContext = OWN
    launch: str = "forkserver"
    bounds: Bounds = Bounds()
    options: SocketOptions = SocketOptions()
    ownership: Ownership = Ownership()
    stderr: str = "socket"
    variables: EnvironmentSpec = EnvironmentSpec()
    greets: bool = False
    warm: WarmSpec | None = None
    refusal: bytes = b""

    @property
    def key(self) -> Key:
        """What makes it the same service after a reload: the socket it needs."""
        return self.address, self.socktype

    @property
    def isPortless(self) -> bool:
        """Whether its clients come by tcpmux."""
        return self.address.family == socket.AF_UNSPEC

    @property
    def isStream(self) -> bool:
        """Whether clients connect to it."""
        return self.socktype != socket.SOCK_DGRAM


@dataclass(frozen=True)
class Settings:
    """
    What holds for every service that does not say otherwise.

    @ivar backlog: connections that may wait to be accepted.
    @ivar bounds: the defaults of the counts.
    @ivar launch: how programs are started.
    @ivar bind: the addresses or host names to listen on.
    @ivar warm: whether interpreters are kept wherever that can be.
    """

    backlog: int = 128
    bounds: Bounds = Bounds()
    launch: str = "forkserver"
    bind: tuple[str, ...] = ("*",)
    warm: bool = False
