# -*- test-case-name: inetdtw.config.test.test_keys -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The keys of a definition: the type, unit, default and help of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inetdtw.config import valuetypes
from inetdtw.config.valuetypes import AnyType


@dataclass(frozen=True)
class Key:
    """
    A key of a definition.

    @ivar name: the word in front of the equals sign.
    @ivar type: the type of its value.
    @ivar help: what it sets, in sentences.
    @ivar default: the value if the key is not given, in words.
    @ivar unit: what a number counts, or an empty string.
    @ivar example: a value.
    """

    name: str
    type: AnyType
    help: str
    default: str = ""
    unit: str = ""
    example: str = ""


def _rlimit(name: str, what: str, unit: str) -> Key:
    """Return a key for a limit of setrlimit(2)."""
    return Key(
        f"rlimit_{name}",
        valuetypes.LIMIT,
        f"The limit on the {what}: one value, or a soft and a hard limit, SOFT:HARD.",
        default="the daemon's",
        unit=unit,
        example="UNLIMITED",
    )


_KEYS = (
    Key(
        "id",
        valuetypes.NAME,
        "The name of the service in the log and for commands such as 'inetd pause'.",
        default="the service and its protocol, as in 7/tcp",
        example="lower",
    ),
    Key(
        "bind",
        valuetypes.HOSTS,
        "The addresses or host names to listen on; * is every address.",
        default="*, or the value of -a",
        example="127.0.0.1",
    ),
    Key(
        "socktype",
        valuetypes.SOCKTYPE,
        "The type of the socket.",
        default="stream for tcp, dgram for udp",
        example="stream",
    ),
    Key(
        "protocol",
        valuetypes.PROTOCOL,
        "The protocol; plain tcp and udp are IPv4, the suffix 46 is both families.",
        example="tcp46",
    ),
    Key(
        "wait",
        valuetypes.FLAG,
        "Whether one program at a time gets the listening socket itself.",
        default="no for an internal service; otherwise it must be given",
        example="no",
    ),
    Key(
        "user",
        valuetypes.WORD,
        "The user that the program runs as; - is the daemon's user.",
        default="none for an internal service; otherwise it must be given",
        example="alpine",
    ),
    Key(
        "group",
        valuetypes.WORD,
        "The group that the program runs as.",
        default="the user's primary group",
        example="mail",
    ),
    Key(
        "exec",
        valuetypes.WORD,
        "The program: an absolute path, a path relative to the file's directory, or a "
        "name to search for in PATH.",
        default="none, the service is internal",
        example="/usr/bin/python3",
    ),
    Key(
        "args",
        valuetypes.WORDS,
        "The arguments of the program, beginning with its own name; for an internal "
        "service, its name.",
        default="the last component of exec",
        example="python3 /home/alpine/bin/lower.py",
    ),
    Key(
        "accept_max",
        valuetypes.COUNT,
        "The maximum number of running programs; more clients wait in the backlog.",
        default="no limit, or the value of -c",
        unit="programs",
        example="20",
    ),
    Key(
        "service_max",
        valuetypes.COUNT,
        "The maximum number of starts per minute; then the service is paused.",
        default="no limit, or the value of -R",
        unit="starts per minute",
        example="600",
    ),
    Key(
        "ip_max",
        valuetypes.COUNT,
        "The maximum number of starts per minute for each client address.",
        default="no limit, or the value of -C",
        unit="starts per minute",
        example="60",
    ),
    Key(
        "per_source",
        valuetypes.COUNT,
        "The maximum number of running programs for each client address.",
        default="no limit, or the value of -s",
        unit="programs",
        example="4",
    ),
    Key(
        "per_source_prefix",
        valuetypes.PREFIX,
        "The number of bits of an IPv4 and of an IPv6 address that count as one client "
        "address for per_source, ip_max and answer_max.",
        default="32/64, or the value of --per-source-prefix",
        unit="bits",
        example="24/56",
    ),
    Key(
        "answer_max",
        valuetypes.COUNT,
        "The maximum number of answers per minute to each client address, for internal "
        "services over udp and dgram nowait services; 0 means no limit.  The first "
        "answer of a program counts as ten.",
        default="6000, or the value of --answer-max",
        unit="answers per minute",
        example="600",
    ),
    Key(
        "pause",
        valuetypes.PAUSE,
        "How long a service that reaches service_max is paused; then the count starts "
        "again at 0.",
        default="60, or the value of --pause",
        unit="seconds",
        example="10",
    ),
    Key(
        "refusal",
        valuetypes.MESSAGE,
        "The message to a client that a limit rejects; then it is disconnected.",
        default="empty",
        example="busy",
    ),
    Key(
        "backlog",
        valuetypes.number(0, 1 << 16),
        "The maximum number of connections that wait to be accepted.",
        default="the value of -q",
        unit="connections",
        example="128",
    ),
    Key(
        "sndbuf",
        valuetypes.SIZE,
        "The size of the socket's send buffer.",
        default="the system's",
        unit="bytes",
        example="64k",
    ),
    Key(
        "recvbuf",
        valuetypes.SIZE,
        "The size of the socket's receive buffer.",
        default="the system's",
        unit="bytes",
        example="1m",
    ),
    Key(
        "acceptfilter",
        valuetypes.WORD,
        "The data that must arrive before a connection is accepted: the name of an "
        "accept filter on the BSDs, dataready or httpready on Linux.",
        default="none",
        example="dataready",
    ),
    Key(
        "nodelay",
        valuetypes.FLAG,
        "Whether small writes are sent at once, not together with later ones "
        "(TCP_NODELAY).",
        default="no",
        example="yes",
    ),
    Key(
        "keepalive",
        valuetypes.FLAG,
        "Whether the system probes idle connections (SO_KEEPALIVE).",
        default="no",
        example="yes",
    ),
    Key(
        "socket_user",
        valuetypes.WORD,
        "The owner of a UNIX socket.",
        default="the daemon's user",
        example="nobody",
    ),
    Key(
        "socket_group",
        valuetypes.WORD,
        "The group of a UNIX socket.",
        default="the owner's",
        example="nogroup",
    ),
    Key(
        "socket_mode",
        valuetypes.OCTAL,
        "The permissions of a UNIX socket.",
        default="0600",
        example="0660",
    ),
    Key(
        "umask",
        valuetypes.OCTAL,
        "The file creation mask of the program.",
        default="022",
        example="077",
    ),
    Key(
        "directory",
        valuetypes.DIRECTORY,
        "The working directory of the program, within chroot; ~ is the user's home.",
        default="/",
        example="/srv/ftp",
    ),
    Key(
        "nice",
        valuetypes.number(-20, 19),
        "The nice value of the program, relative to the daemon's.",
        default="0",
        example="5",
    ),
    Key(
        "groups",
        valuetypes.GROUPS,
        "The supplementary groups of the program: yes for all of the user's, no for "
        "only the primary group, or their names.",
        default="yes",
        example="no",
    ),
    Key(
        "chroot",
        valuetypes.PATH,
        "The root directory of the program, which the path in exec is relative to.",
        default="/",
        example="/srv/jail",
    ),
    _rlimit("as", "address space", "bytes"),
    _rlimit("core", "size of a core file", "bytes"),
    _rlimit("cpu", "processor time", "seconds"),
    _rlimit("data", "size of the data segment", "bytes"),
    _rlimit("files", "number of open files", "files"),
    _rlimit("fsize", "size of a written file", "bytes"),
    _rlimit("memlock", "locked memory", "bytes"),
    _rlimit("nproc", "user's processes", "processes"),
    _rlimit("rss", "resident memory", "bytes"),
    _rlimit("stack", "size of the stack", "bytes"),
    Key(
        "stderr",
        valuetypes.STDERR,
        "The destination of the program's standard error: the client, the daemon's "
        "log, or null(4).",
        default="socket",
        example="log",
    ),
    Key(
        "env",
        valuetypes.VARIABLES,
        "Variables to add to the program's environment, each NAME=VALUE.",
        default="none",
        example="LANG=C.UTF-8 TZ=UTC",
    ),
    Key(
        "passenv",
        valuetypes.WORDS,
        "The variables of the daemon's environment that the program gets, and no "
        "others; without a value it gets none.",
        default="all except those about the daemon itself; for another user only TZ, "
        "LANG and LC_*, with the PATH of a login",
        example="PATH LANG",
    ),
    Key(
        "launch",
        valuetypes.LAUNCH,
        "How programs are started: by a fork server or by the daemon itself.",
        default="forkserver, or the value of --launch",
        example="direct",
    ),
    Key(
        "warm",
        valuetypes.FLAG,
        "Whether a Python interpreter is kept that is forked for each client; the "
        "program must be a Python program.",
        default="no; with --warm, yes where possible",
        example="yes",
    ),
    Key(
        "preload",
        valuetypes.MODULES,
        "The modules to import before there is a client, with commas or whitespace "
        "between them; auto for those that the script imports at its top level.",
        default="the modules of the standard library that the script imports at its "
        "top level and that keep no state for each process",
        example="auto",
    ),
    Key(
        "ipsec",
        valuetypes.IPSEC,
        "An IPsec policy; only an empty one is accepted.",
        default="empty",
        example='""',
    ),
)
#: The keys by their names.
KEYS: Mapping[str, Key] = {key.name: key for key in _KEYS}
