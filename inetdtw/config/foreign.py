# -*- test-case-name: inetdtw.config.test.test_foreign -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Recognise files and lines that are made for other programs.

A file of another format gets one message that names it, and not one for each line; so
does a line about an RPC service, which every system writes in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from inetdtw.config import compat
from inetdtw.model.errors import ConfError, Location, Word

_XINETD = (
    "is a file of xinetd; inetd.conf(5) has a line for each service, such as "
    "'tftp dgram udp wait root /usr/sbin/in.tftpd in.tftpd -s /srv/tftp'"
)
_SYSTEMD = (
    "is a unit of systemd; inetd.conf(5) has a line for each service, such as "
    "'873 stream tcp nowait root /usr/bin/rsync rsync --daemon'"
)
_LAUNCHD = (
    "is a property list, as launchd has it; inetd.conf(5) has a line for each service"
)

#: What the first statement of a file of another format looks like.
_FORMATS = (
    (
        re.compile(
            r"(?:service[ \t]+[^\s{]+|defaults)\s*(?:\#[^\n]*\s*)*\{"
            r"|include(?:dir)?[ \t]+/\S+[ \t]*\r?(?:\n|\Z)"
        ),
        _XINETD,
    ),
    (re.compile(r"\[[A-Za-z][\w-]*\][ \t]*\r?(?:\n|\Z)"), _SYSTEMD),
    (re.compile(r"<\?xml\b|<!DOCTYPE\b|<plist\b"), _LAUNCHD),
)
#: What may precede it: whitespace, and comments of all formats.
_BEFORE = re.compile(r"(?:[ \t\r\n\f\v]+|[#;][^\n]*)*")

_RPC = compat.missing("RPC registration")


def checkFormat(text: str, file: str) -> None:
    """
    Check that a text is not a file of another format.

    Its first statement decides.

    @param file: its path.

    @raise ConfError: if it is.
    """
    before = _BEFORE.match(text)
    start = before.end() if before else 0
    for pattern, reason in _FORMATS:
        if pattern.match(text, start):
            line = text.count("\n", 0, start) + 1
            raise ConfError(Location(file, line), "file", reason)


def hasOnlyComments(text: str) -> bool:
    """Return whether a text has lines, and all of them are comments."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    return bool(lines) and all(line.startswith("#") for line in lines)


def checkLine(words: Sequence[Word]) -> None:
    """
    Check that a positional line is not in the form of another system.

    The forms are::

        rpc dgram udp wait root /path 100068 2-5 name       HP-UX
        rstatd sunrpc_udp udp wait root /path name 100001 1-3    AIX
        100235/1 tli rpc/tcp wait root /path name           Solaris
        tftp dgram udp6 SRC nobody /path name               AIX
        name xti tcp swait root /path name                  HP-UX

    @raise ConfError: if it is.
    """
    texts = [word.text for word in words[:7]] + [""] * (7 - len(words))
    service, socktype, protocol, wait = texts[:4]
    if service == "rpc" and texts[6].isdigit():
        raise ConfError(words[0].location, "service", f"a line of HP-UX: {_RPC}")
    if socktype.startswith("sunrpc_"):
        raise ConfError(words[1].location, "socktype", f"a line of AIX: {_RPC}")
    if protocol.startswith("rpc/") and (socktype == "tli" or "_" in protocol):
        raise ConfError(words[2].location, "protocol", f"a line of Solaris: {_RPC}")
    if wait == "SRC":
        reason = (
            "'SRC' is AIX's System Resource Controller; write wait or nowait, as the "
            "program needs it"
        )
        raise ConfError(words[3].location, "wait", reason)
    if socktype == "xti" or wait == "swait":
        reason = "a line of HP-UX for XTI: write stream or dgram, and wait or nowait"
        raise ConfError(words[1].location, "socktype", reason)
    if socktype == "tli":
        reason = "a line of Solaris for TLI: write stream or dgram"
        raise ConfError(words[1].location, "socktype", reason)
