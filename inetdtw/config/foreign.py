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

_LINES = "inetd.conf(5) has a line for each service"
_XINETD = (
    f"is a file of xinetd; {_LINES}, such as "
    "'tftp dgram udp wait root /usr/sbin/in.tftpd in.tftpd -s /srv/tftp'"
)
_SYSTEMD = (
    f"is a unit of systemd; {_LINES}, such as "
    "'873 stream tcp nowait root /usr/bin/rsync rsync --daemon'"
)
#: What is in the files that begin with a tag, and what such a file is.
_MARKUP = (
    ("<plist", f"is a property list, as launchd has it; {_LINES}"),
    ("<service_bundle", f"is an SMF manifest of Solaris; {_LINES}"),
    ("<", f"is XML or HTML; {_LINES}"),
)

#: What may precede the first statement: whitespace, and comments of all formats.
_BEFORE = re.compile(r"(?:[ \t\r\n\f\v]+|[#;][^\n]*)*")
#: What a brace follows in a file of xinetd or rlinetd.
_BLOCK = re.compile(r"(?:service[ \t]+(?P<quote>\"?)[^\s{]+|defaults\b)")
_INCLUDE = re.compile(r"include(?:dir)?[ \t]+\S+[ \t]*\r?(?:\n|\Z)")
_SECTION = re.compile(
    r"\[([A-Za-z][\w.-]*(?::[\w.-]+)?)\][ \t\r]*(?:[#;][^\n]*)?(?:\n|\Z)"
)
_TAG = re.compile(r"<[?!A-Za-z]")
#: A statement of inetd.conf(5).
_OURS = re.compile(
    r"""
    ^[ \t]*
    (?: \S+ [ \t]+ (?:stream|dgram|seqpacket) (?: [,:]\S+ )?
        [ \t]+ \S+ [ \t]+ (?:no)?wait (?! \w )
      | \S+ [ \t]+ (?:on|off) [ \t]+ \w+ [ \t]* =
      | \.include [ \t]+ \S
    )
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)

_RPC = compat.missing("RPC registration")


def checkFormat(text: str, file: str) -> None:
    """
    Check that a text is not a file of another format.

    Its first statement decides, unless a line of the text is one of inetd.conf(5).

    @param file: its path.

    @raise ConfError: if it is.
    """
    start = _statementAfter(text, 0)
    reason = _reason(text, start)
    if reason is not None and _OURS.search(text) is None:
        line = text.count("\n", 0, start) + 1
        raise ConfError(Location(file, line), "file", reason)


def _statementAfter(text: str, start: int) -> int:
    """Return where the first statement after C{start} begins."""
    before = _BEFORE.match(text, start)
    return before.end() if before else start


def _reason(text: str, start: int) -> str | None:
    """Return what a file is whose first statement is that of another format."""
    block = _BLOCK.match(text, start)
    if block and text.startswith("{", _statementAfter(text, block.end())):
        return f"is a file of rlinetd; {_LINES}" if block["quote"] else _XINETD
    if _INCLUDE.match(text, start):
        return _XINETD
    section = _SECTION.match(text, start)
    if section is not None:
        # Sections of units have capital letters.
        return _SYSTEMD if section[1][0].isupper() else f"is an INI file; {_LINES}"
    if _TAG.match(text, start):
        return next(reason for tag, reason in _MARKUP if tag in text)
    if text.startswith("bplist00"):
        return _MARKUP[0][1]
    return None


def onlyComments(text: str) -> int:
    """Return the number of lines that are not empty, or 0 if not all are comments."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    return len(lines) if all(line.startswith("#") for line in lines) else 0


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
    if protocol.startswith("rpc/") and _isSolaris(service, socktype, protocol):
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


def _isSolaris(service: str, socktype: str, protocol: str) -> bool:
    """Tell whether a line for RPC has a number, TLI or the name of a transport."""
    if service[:1].isdigit() or socktype in ("tli", "xti"):
        return True
    return re.fullmatch("(?:tcp|udp)[46]*", protocol[4:]) is None
