# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The internal services (RFC 862-868): echo, discard, chargen, daytime, time.

They run in this process, over TCP and UDP.  Each TCP connection has at most one full
write buffer, if the client does not read.  When a TCP client shuts down its writing
side:

  - C{echo} sends what is buffered and closes;
  - C{discard} closes;
  - C{chargen} sends until a write fails, as classic inetds do, which never read from
    the client;
  - C{daytime} and C{time} have sent everything, and are closing anyway.

Over UDP all but C{discard} reply to each datagram with one, unless a
L{ReflectorGuard<inetdtw.internal.reflector.ReflectorGuard>} refuses its source.
"""

from __future__ import annotations

import struct
import time
from functools import partial
from itertools import cycle
from typing import Callable, Optional

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from inetdtw.internal.streams import (
    LINES,
    Chargen,
    Discard,
    Echo,
    OneAnswer,
    StreamFactory,
)

_EPOCH_1900 = 2_208_988_800


def _daytime(now: float) -> bytes:
    # time.ctime never looks at the locale; time.strftime would.
    return time.ctime(now).encode("ascii") + b"\r\n"


def _time(now: float) -> bytes:
    """Return the seconds since 1900 modulo 2**32: NTP's era 1 begins in 2036."""
    return struct.pack("!I", (int(now) + _EPOCH_1900) % 2**32)


def _chargenAnswer() -> Callable[[bytes], bytes]:
    lines = cycle(LINES)
    return lambda datagram: next(lines)


_Clock = Callable[[], float]
_Begun = Callable[[Protocol, Optional[IAddress]], None]

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


def streamFactory(
    name: str,
    clock: Callable[[], float],
    ended: Callable[[Protocol], None] = lambda protocol: None,
    begun: _Begun = lambda protocol, address: None,
) -> ServerFactory:
    """
    Return the factory of an internal service over TCP.

    @param name: one of L{INTERNAL_NAMES<inetdtw.model.service.INTERNAL_NAMES>}.
    @param clock: returns the seconds since the epoch.
    @param ended: called with each protocol when its connection is lost.
    @param begun: called with each protocol and the address of its client.
    """
    return StreamFactory(partial(_STREAMS[name], clock), ended, begun)


def datagramResponder(
    name: str, clock: Callable[[], float]
) -> Callable[[bytes], bytes | None]:
    """
    Return the function of an internal service over UDP.

    It returns the reply to a datagram, or C{None} if there is none.

    @param name: one of L{INTERNAL_NAMES<inetdtw.model.service.INTERNAL_NAMES>}.
    @param clock: returns the seconds since the epoch.
    """
    return _DATAGRAMS[name](clock)
