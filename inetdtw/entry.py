# -*- test-case-name: inetdtw.test.test_entry -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What one definition of a service says, and the declaration of every key it can
say it with.

Both forms of inetd.conf end here: a positional line says the same things as a
key-value definition, in fewer words.  A key is a field of L{Entry}: its type,
unit, default and help are declared there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from inetdtw import foreign, values
from inetdtw.values import AnyKind, Kind

#: The largest count that FreeBSD's C{max-child} takes.
_MOST = 32767

_PROTOCOLS = (
    *("tcp", "tcp4", "tcp6", "tcp46"),
    *("udp", "udp4", "udp6", "udp46", "unix"),
    *("tcp6only", "udp6only"),
)


@dataclass(frozen=True)
class Place:
    """
    Where something is written.

    @ivar file: the path of the file as it was given.
    @ivar line: counted from 1.
    @ivar column: counted from 1.
    """

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def printable(text: str) -> str:
    """
    A text as one line, whatever it quotes.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class ConfError(Exception):
    """
    A part of a configuration cannot be used.

    @ivar place: where it is.
    @ivar field: the name of the field or key that is wrong.
    @ivar reason: what is wrong with it, and what would be right.
    """

    def __init__(self, place: Place, field: str, reason: str) -> None:
        super().__init__(place, field, reason)
        self.place = place
        self.field = printable(field)
        self.reason = printable(reason)

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.reason}"


@dataclass(frozen=True)
class Word:
    """
    One word of a configuration file, quotes removed, and where it begins.
    """

    text: str
    place: Place


@dataclass(frozen=True)
class Key:
    """
    One thing that a definition can say.

    @ivar name: the word in front of the equals sign.
    @ivar kind: the type of its value.
    @ivar unit: what a number counts, or an empty text.
    @ivar default: what holds where it is not given, in words.
    @ivar help: one sentence.
    @ivar example: a value.
    """

    name: str
    kind: AnyKind
    unit: str
    default: str
    help: str
    example: str


def _key(
    kind: AnyKind, help: str, *, default: str = "", unit: str = "", example: str = ""
) -> Any:
    """
    Declare a key of L{Entry}; its name is that of the field.
    """
    about = {"key": (kind, unit, default, help, example)}
    return field(default=None, metadata=about)


def _refuseRPC(protocol: str) -> None:
    """
    @raise ValueError: for the protocols that this superserver does not serve.
    """
    if protocol in _PROTOCOLS:
        return
    if protocol.startswith("rpc/"):
        raise ValueError(f"'{protocol}' {foreign.missing('RPC registration')}")
    if "faith" in protocol.split("/"):
        raise ValueError(f"'{protocol}': faith(4) is gone from every system")
    raise ValueError(f"'{protocol}' is none of {', '.join(_PROTOCOLS)}")


def _refuseIPsec(words: tuple[str, ...]) -> None:
    """
    @raise ValueError: for a policy, as the service would run without it.
    """
    if any(words):
        raise ValueError("IPsec policies cannot be set from here, only an empty one")


def _noBlank(name: str) -> None:
    """
    @raise ValueError: unless it is one word of a line of the log.
    """
    if " " in name:
        raise ValueError(f"'{name}' has a blank in it")


def _absolute(path: str) -> None:
    """
    @raise ValueError: unless the path is absolute.
    """
    if not path.startswith("/"):
        raise ValueError(f"'{path}' is not an absolute path")


def _folder(path: str) -> None:
    """
    @raise ValueError: unless the path is absolute, or stands for a home.
    """
    if path != "~":
        _absolute(path)


def _assignments(words: tuple[str, ...]) -> None:
    """
    @raise ValueError: unless every word is of the form NAME=VALUE.
    """
    for each in words:
        name, equals, _ = each.partition("=")
        if not name or not equals:
            raise ValueError(f"'{each}' is not of the form NAME=VALUE")
        if "\0" in each:
            raise ValueError(f"{name} cannot hold a NUL character")


def _modules(words: tuple[str, ...]) -> None:
    """
    @raise ValueError: unless these can be modules, or C{auto}.
    """
    if not words:
        raise ValueError("names at least one module, or auto")
    for each in words:
        if not all(part.isidentifier() for part in each.split(".")):
            raise ValueError(f"'{each}' is not the name of a module")
    if "auto" in words and len(words) > 1:
        raise ValueError("auto goes with no other name")


def _rlimit(what: str, unit: str) -> Any:
    """
    Declare a key of L{Entry} that is a limit of setrlimit(2).
    """
    return _key(
        values.limit,
        f"The limit on the {what}: one value, or a soft and a hard one, SOFT:HARD.",
        default="the daemon's",
        unit=unit,
        example="UNLIMITED",
    )


_socktype = values.oneOf("stream", "dgram", "seqpacket")
_protocol = values.checked(values.word, _refuseRPC, "|".join(_PROTOCOLS))
_count = values.number(0, _MOST)
_ipsec = values.checked(values.words, _refuseIPsec)
_stderr = values.oneOf("socket", "log", "null")
_launch = values.oneOf("direct", "forkserver")


@dataclass(frozen=True)
class Entry:
    """
    One service as it is written, with nothing looked up yet.

    A key that is not given is C{None}.

    @ivar service: a name of services(5), a port number, or a path.
    @ivar place: where the definition begins.
    @ivar enabled: whether the service is C{on}.
    @ivar places: where the value of each key that is given begins.
    """

    service: str
    place: Place = field(compare=False)
    enabled: bool = True
    places: Mapping[str, Place] = field(default_factory=dict, compare=False)

    id: str | None = _key(
        values.checked(values.word, _noBlank),
        "The name of the service in the log and for programs that ask.",
        default="the service and its protocol, as in 7/tcp",
        example="lower",
    )
    bind: tuple[str, ...] | None = _key(
        values.words,
        "The addresses or host names to listen on; * is every address.",
        default="*",
        example="127.0.0.1",
    )
    socktype: str | None = _key(
        _socktype,
        "The type of the socket.",
        default="stream for tcp, dgram for udp",
        example="stream",
    )
    protocol: str | None = _key(
        _protocol,
        "The protocol; plain tcp and udp are IPv4, 46 is both families.",
        example="tcp46",
    )
    wait: bool | None = _key(
        values.flag,
        "Whether one program at a time takes the service's own socket.",
        default="no for an internal service; otherwise it must be given",
        example="no",
    )
    user: str | None = _key(
        values.word,
        "The user that the program runs as; - is whoever runs the daemon.",
        default="none for an internal service; otherwise it must be given",
        example="alpine",
    )
    group: str | None = _key(
        values.word,
        "The group that the program runs as.",
        default="the user's own",
        example="mail",
    )
    exec: str | None = _key(
        values.word,
        "The program: an absolute path, a path from the file's own folder, or a "
        "name looked for in PATH.  Without it the service is internal.",
        example="/usr/bin/python3",
    )
    args: tuple[str, ...] | None = _key(
        values.words,
        "The arguments of the program, beginning with its own name; for an internal "
        "service, which one it is.",
        default="the last part of exec",
        example="python3 /home/alpine/bin/lower.py",
    )
    accept_max: int | None = _key(
        _count,
        "How many programs may run at once; more clients wait in the backlog.",
        default="no limit",
        unit="programs",
        example="20",
    )
    service_max: int | None = _key(
        _count,
        "How many programs may start in a minute; then the service pauses.",
        default="no limit, or what -R says",
        unit="starts per minute",
        example="600",
    )
    ip_max: int | None = _key(
        _count,
        "How many programs may start in a minute for one client address.",
        default="no limit",
        unit="starts per minute",
        example="60",
    )
    per_source: int | None = _key(
        _count,
        "How many programs may run at once for one client address.",
        default="no limit",
        unit="programs",
        example="4",
    )
    backlog: int | None = _key(
        values.number(0, 1 << 16),
        "How many connections may wait to be accepted.",
        default="what -q says",
        unit="connections",
        example="128",
    )
    sndbuf: int | None = _key(
        values.size,
        "The size of the socket's send buffer.",
        default="the system's",
        unit="bytes",
        example="64k",
    )
    recvbuf: int | None = _key(
        values.size,
        "The size of the socket's receive buffer.",
        default="the system's",
        unit="bytes",
        example="1m",
    )
    acceptfilter: str | None = _key(
        values.word,
        "What must have arrived before a connection counts: an accept filter's name "
        "on the BSDs, dataready or httpready on Linux.",
        default="nothing",
        example="dataready",
    )
    nodelay: bool | None = _key(
        values.flag,
        "Whether a program's small writes are sent at once, not together with later "
        "ones (TCP_NODELAY).",
        default="no",
        example="yes",
    )
    keepalive: bool | None = _key(
        values.flag,
        "Whether the system finds out that a silent client is gone (SO_KEEPALIVE).",
        default="no",
        example="yes",
    )
    socket_user: str | None = _key(
        values.word,
        "The owner of a UNIX socket.",
        default="who runs the daemon",
        example="nobody",
    )
    socket_group: str | None = _key(
        values.word,
        "The group of a UNIX socket.",
        default="the owner's",
        example="nogroup",
    )
    socket_mode: int | None = _key(
        values.octal,
        "The permissions of a UNIX socket.",
        default="0600",
        example="0660",
    )
    umask: int | None = _key(
        values.octal,
        "The file creation mask of the program.",
        default="022",
        example="077",
    )
    directory: str | None = _key(
        values.checked(values.word, _folder, "path"),
        "The working directory of the program, within chroot; ~ is the user's home.",
        default="/",
        example="/srv/ftp",
    )
    nice: int | None = _key(
        values.integer(-20, 19),
        "How much lower the priority of the program is than the daemon's.",
        default="0",
        example="5",
    )
    groups: tuple[str, ...] | None = _key(
        values.words,
        "The supplementary groups of the program: yes for all of the user's, no for "
        "none but the first group, or their names.",
        default="yes",
        example="no",
    )
    chroot: str | None = _key(
        values.checked(values.word, _absolute, "path"),
        "The folder that the program has as its root, and its path starts from.",
        default="/",
        example="/srv/jail",
    )
    rlimit_as: tuple[int, int] | None = _rlimit("size of memory", "bytes")
    rlimit_core: tuple[int, int] | None = _rlimit("size of a core file", "bytes")
    rlimit_cpu: tuple[int, int] | None = _rlimit("processor time", "seconds")
    rlimit_data: tuple[int, int] | None = _rlimit("size of data", "bytes")
    rlimit_files: tuple[int, int] | None = _rlimit("number of open files", "files")
    rlimit_fsize: tuple[int, int] | None = _rlimit("size of a written file", "bytes")
    rlimit_memlock: tuple[int, int] | None = _rlimit("locked memory", "bytes")
    rlimit_nproc: tuple[int, int] | None = _rlimit("user's processes", "processes")
    rlimit_rss: tuple[int, int] | None = _rlimit("resident memory", "bytes")
    rlimit_stack: tuple[int, int] | None = _rlimit("size of the stack", "bytes")
    stderr: str | None = _key(
        _stderr,
        "Where the program's standard error goes: to the client, to the daemon's "
        "log, or nowhere.",
        default="socket",
        example="log",
    )
    env: tuple[str, ...] | None = _key(
        values.checked(values.words, _assignments),
        "Variables that are added to the program's environment, each NAME=VALUE.",
        default="none",
        example="LANG=C.UTF-8 TZ=UTC",
    )
    passenv: tuple[str, ...] | None = _key(
        values.words,
        "The variables of the daemon's environment that the program gets, and no "
        "others; without a value it gets none.",
        default="all that are not about the daemon itself or, where the user is "
        "another one, about the daemon's user",
        example="PATH LANG",
    )
    launch: str | None = _key(
        _launch,
        "How programs are started: by a fork server or by the daemon itself.",
        default="forkserver",
        example="direct",
    )
    warm: bool | None = _key(
        values.flag,
        "Whether an interpreter of Python is kept that is forked for every client; "
        "the program must be Python's.",
        default="no, or yes with --warm where that can be",
        example="yes",
    )
    preload: tuple[str, ...] | None = _key(
        values.checked(values.words, _modules, "auto or module, ..."),
        "The modules that are imported before there is a client, with commas or blanks "
        "between them; auto for those that the script imports at its top.",
        default="those of the standard library that the script imports at its top and "
        "that have nothing of their own for each process",
        example="auto",
    )
    ipsec: tuple[str, ...] | None = _key(
        _ipsec,
        "An IPsec policy; only an empty one is taken.",
        default="empty",
        example='""',
    )

    def where(self, key: str) -> Place:
        """
        Where C{key} is written, or else the definition.
        """
        return self.places.get(key, self.place)


KEYS: Mapping[str, Key] = {
    known.name: Key(known.name, *known.metadata["key"])
    for known in fields(Entry)
    if "key" in known.metadata
}


def entryFrom(
    service: Word, enabled: bool, said: Iterable[tuple[Word, tuple[Word, ...]]]
) -> Entry:
    """
    Make an entry of the keys that a definition gives and the words of each.

    @raise ConfError: if a key is unknown or is given twice, or if a value is not
        of its key's type.
    """
    given: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for name, value in said:
        key = KEYS.get(name.text)
        if key is None:
            raise ConfError(name.place, name.text, foreign.aboutKey(name.text, KEYS))
        if key.name in given:
            raise ConfError(name.place, name.text, "is given twice")
        places[key.name] = value[0].place if value else name.place
        given[key.name] = _valueOf(key.kind, key.name, value, places[key.name])
    return Entry(service.text, service.place, enabled, places, **given)


def _valueOf(
    kind: Kind[Any], name: str, value: tuple[Word, ...], place: Place
) -> object:
    """
    The value of one key.
    """
    try:
        return kind.read(tuple(word.text for word in value))
    except ValueError as why:
        raise ConfError(place, name, str(why)) from None
