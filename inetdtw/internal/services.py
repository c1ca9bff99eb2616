# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The small services every inetd has in itself, over TCP and UDP.

C{echo} (RFC 862), C{discard} (RFC 863), C{chargen} (RFC 864), C{daytime}
(RFC 867) and C{time} (RFC 868) run in this process, and none of them keeps more
than one full write buffer for a client that does not read.

When a TCP client shuts its writing side:

  - C{echo} sends what is left and closes;
  - C{discard} closes;
  - C{chargen} goes on until a write fails, as classic inetds do, which never
    read from the client;
  - C{daytime} and C{time} have said all they say and are closing anyway.

Every UDP service answers one datagram with one, except C{discard}; whom it must
not answer is for a L{ReflectorGuard} to say.
"""

from __future__ import annotations

import struct
import time
from functools import partial
from itertools import cycle
from typing import Any, Callable

from twisted.internet.protocol import Protocol, ServerFactory

from inetdtw.internal.reflector import ReflectorGuard
from inetdtw.internal.streams import (
    LINES,
    Chargen,
    Discard,
    Echo,
    OneAnswer,
    StreamFactory,
)

__all__ = [
    "ReflectorGuard",
    "UnknownService",
    "datagramResponder",
    "streamFactory",
]

_EPOCH_1900 = 2_208_988_800


class UnknownService(KeyError):
    """The name is not in L{INTERNAL_NAMES<inetdtw.model.service.INTERNAL_NAMES>}."""

    def __str__(self) -> str:
        return f"no built-in service is called {self.args[0]!r}"


def _daytime(now: float) -> bytes:
    # time.ctime never looks at the locale; time.strftime would.
    return time.ctime(now).encode("ascii") + b"\r\n"


def _time(now: float) -> bytes:
    """Count the seconds since 1900 modulo 2**32: NTP's era 1 begins in 2036."""
    return struct.pack("!I", (int(now) + _EPOCH_1900) % 2**32)


def _chargenAnswer() -> Callable[[bytes], bytes]:
    lines = cycle(LINES)
    return lambda datagram: next(lines)


_Clock = Callable[[], float]

_STREAMS: dict[str, Callable[[_Clock], Protocol]] = {
    "echo": lambda clock: Echo(),
    "discard": lambda clock: Discard(),
    "chargen": lambda clock: Chargen(),
    "daytime": partial(OneAnswer, _daytime),
    "time": partial(OneAnswer, _time),
}

_DATAGRAMS: dict[str, Callable[[_Clock], Callable[[bytes], bytes | None]]] = {
    "echo": lambda clock: lambda datagram: datagram,
    "discard": lambda clock: lambda datagram: None,
    "chargen": lambda clock: _chargenAnswer(),
    "daytime": lambda clock: lambda datagram: _daytime(clock()),
    "time": lambda clock: lambda datagram: _time(clock()),
}


def _lookUp(table: dict[str, Any], name: str) -> Any:
    try:
        return table[name]
    except KeyError:
        raise UnknownService(name) from None


def streamFactory(
    name: str,
    clock: Callable[[], float],
    ended: Callable[[Protocol], None] = lambda protocol: None,
) -> ServerFactory:
    """
    Make the factory of a built-in service over TCP.

    @param name: One of L{INTERNAL_NAMES<inetdtw.model.service.INTERNAL_NAMES>}.
    @param clock: Gives the seconds since the epoch.
    @param ended: Called with each protocol when its connection is lost.

    @raise UnknownService: If there is no such service (a C{KeyError}).
    """
    return StreamFactory(partial(_lookUp(_STREAMS, name), clock), ended)


def datagramResponder(
    name: str, clock: Callable[[], float]
) -> Callable[[bytes], bytes | None]:
    """
    Make an internal service over UDP: what returns the reply to each datagram, or
    C{None} if there is none.

    @param name: One of L{INTERNAL_NAMES<inetdtw.model.service.INTERNAL_NAMES>}.
    @param clock: Gives the seconds since the epoch.

    @raise UnknownService: If there is no such service (a C{KeyError}).
    """
    responder: Callable[[bytes], bytes | None] = _lookUp(_DATAGRAMS, name)(clock)
    return responder
