# -*- test-case-name: inetdtw.model.test.test_service -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A service after all look-ups, with numbers and absolute paths.

Every class is a frozen value, so that a reload can compare old and new services.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from inetdtw.model.address import Address
from inetdtw.model.errors import Location
from inetdtw.model.process import Login, ProcessContext

#: The names of the internal services (RFC 862-864, 867 and 868).
INTERNAL_NAMES = frozenset(("echo", "discard", "chargen", "daytime", "time"))

#: The socket types, by their names in inetd.conf(5).
SOCKTYPES = {
    "stream": socket.SOCK_STREAM,
    "dgram": socket.SOCK_DGRAM,
    "seqpacket": socket.SOCK_SEQPACKET,
}
#: The names of socket types.
SOCKTYPE_NAMES: dict[int, str] = {kind: name for name, kind in SOCKTYPES.items()}


@dataclass(frozen=True)
class Program:
    """
    A program to execute.

    @ivar name: an absolute path, or a name to search for.
    @ivar directories: the directories to search, in order.
    @ivar argv: its arguments, its own name first.
    """

    name: str
    directories: tuple[str, ...]
    argv: tuple[str, ...]


@dataclass(frozen=True)
class WarmSpec:
    """
    The command of a warm process for a Python program.

    @ivar starter: the interpreter in the C{#!} line of the program, or an empty string
        if the program is the interpreter.
    @ivar prefix: the arguments up to the interpreter's last option, its own name first.
    @ivar hidden: how many of these belong to C{env}.
    @ivar form: C{-c}, C{-m}, or an empty string for a script.
    @ivar words: the arguments from C{-c}, C{-m} or the script on; without the script if
        it is the program.
    @ivar preload: the modules to import before there is a client: C{auto} or names
        with commas between, or an empty string.
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
    The changes to the environment of a service's programs.

    @ivar added: names and values of variables to add.
    @ivar passed: the names of the daemon's variables that programs get; C{None} for
        the default, see L{inetdtw.serve.environment}.
    """

    added: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Bounds:
    """
    The limits of a service; 0 means no limit.

    @ivar acceptMax: running programs.
    @ivar serviceMax: starts per minute.
    @ivar ipMax: starts per minute for each client address.
    @ivar perSource: running programs for each client address.
    @ivar pause: how long the service pauses after C{serviceMax} starts, in seconds.
    @ivar answerMax: answers to datagrams per minute for each client address.
    @ivar sourcePrefix: the prefix lengths of IPv4 and IPv6 that count as one client
        address; an IPv6 host usually has a /64 (RFC 6177, RFC 7421).
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
        """Tell whether no program is limited."""
        return not (self.acceptMax or self.serviceMax or self.ipMax or self.perSource)


@dataclass(frozen=True)
class SocketOptions:
    """
    The options of a service's socket.

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
    """The owner and permissions of a UNIX socket; an id of -1 is not changed."""

    uid: int = -1
    gid: int = -1
    mode: int = 0o600


Key = tuple[Address, int]

#: The context of the daemon.
OWN = ProcessContext()


@dataclass(frozen=True)
class Service:
    """
    One socket, and what serves its clients.

    @ivar location: where its definition begins.
    @ivar name: its name in the log.
    @ivar address: its address.
    @ivar socktype: C{SOCK_STREAM}, C{SOCK_DGRAM} or C{SOCK_SEQPACKET}.
    @ivar wait: whether one program at a time gets the listening socket.
    @ivar internal: the name of an internal service.
    @ivar program: the program, if the service is not internal.
    @ivar login: the user of the program, C{None} for the daemon's.
    @ivar launch: C{direct} or C{forkserver}.
    @ivar stderr: where the program's standard error goes: C{socket}, C{log} or
        C{null}.
    @ivar variables: the changes to the environment of its programs.
    @ivar greets: whether tcpmux confirms the service to the client.
    @ivar warm: how to start a warm process, if it has one.
    @ivar refusal: the message to a client that a limit rejects.
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
        """Return the socket that it needs, which identifies it over reloads."""
        return self.address, self.socktype

    @property
    def isPortless(self) -> bool:
        """Tell whether it is behind tcpmux."""
        return self.address.family == socket.AF_UNSPEC

    @property
    def isStream(self) -> bool:
        """Tell whether its socket is connection-oriented."""
        return self.socktype != socket.SOCK_DGRAM


@dataclass(frozen=True)
class Settings:
    """
    The defaults of services.

    @ivar backlog: the maximum number of connections that wait to be accepted.
    @ivar bounds: the limits.
    @ivar launch: how programs are started.
    @ivar bind: the addresses or host names to listen on.
    @ivar warm: whether Python programs run in warm processes where possible.
    @ivar stderr: where the standard error of programs goes; C{None} for the log if the
        service is C{wait}, and else the socket.
    """

    backlog: int = 128
    bounds: Bounds = Bounds()
    launch: str = "forkserver"
    bind: tuple[str, ...] = ("*",)
    warm: bool = False
    stderr: str | None = None
