# -*- test-case-name: inetdtw.config.test.test_entry -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What one definition of a service says.

Both forms of inetd.conf end here: a positional line says the same things as a
key-value definition, in fewer words.  A key is a field of L{Entry}: its type,
unit, default and help are declared there and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from inetdtw.config import keys, valuetypes
from inetdtw.config.keys import Key, key, rlimit
from inetdtw.model.errors import Location


@dataclass(frozen=True, init=False)
class Entry:
    """
    One service as it is written, with nothing looked up yet.

    A key that is not given is C{None}.

    @ivar service: a name of services(5), a port number, or a path.
    @ivar location: where the definition begins.
    @ivar enabled: whether the service is C{on}.
    @ivar locations: where the value of each key that is given begins.
    """

    service: str
    location: Location = field(compare=False)
    enabled: bool = True
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False)

    id: str | None = key(
        keys.NAME,
        "The name of the service in the log and for programs that ask.",
        default="the service and its protocol, as in 7/tcp",
        example="lower",
    )
    bind: tuple[str, ...] | None = key(
        keys.HOSTS,
        "The addresses or host names to listen on; * is every address.",
        default="*, or what -a says",
        example="127.0.0.1",
    )
    socktype: str | None = key(
        keys.SOCKTYPE,
        "The type of the socket.",
        default="stream for tcp, dgram for udp",
        example="stream",
    )
    protocol: str | None = key(
        keys.PROTOCOL,
        "The protocol; plain tcp and udp are IPv4, 46 is both families.",
        example="tcp46",
    )
    wait: bool | None = key(
        valuetypes.flag,
        "Whether one program at a time takes the service's own socket.",
        default="no for an internal service; otherwise it must be given",
        example="no",
    )
    user: str | None = key(
        valuetypes.word,
        "The user that the program runs as; - is whoever runs the daemon.",
        default="none for an internal service; otherwise it must be given",
        example="alpine",
    )
    group: str | None = key(
        valuetypes.word,
        "The group that the program runs as.",
        default="the user's own",
        example="mail",
    )
    exec: str | None = key(
        valuetypes.word,
        "The program: an absolute path, a path from the file's own folder, or a "
        "name looked for in PATH.",
        default="none, the service is internal",
        example="/usr/bin/python3",
    )
    args: tuple[str, ...] | None = key(
        valuetypes.words,
        "The arguments of the program, beginning with its own name; for an internal "
        "service, which one it is.",
        default="the last part of exec",
        example="python3 /home/alpine/bin/lower.py",
    )
    accept_max: int | None = key(
        keys.COUNT,
        "How many programs may run at once; more clients wait in the backlog.",
        default="no limit, or what -c says",
        unit="programs",
        example="20",
    )
    service_max: int | None = key(
        keys.COUNT,
        "How many programs may start in a minute; then the service pauses.",
        default="no limit, or what -R says",
        unit="starts per minute",
        example="600",
    )
    ip_max: int | None = key(
        keys.COUNT,
        "How many programs may start in a minute for one client address.",
        default="no limit, or what -C says",
        unit="starts per minute",
        example="60",
    )
    per_source: int | None = key(
        keys.COUNT,
        "How many programs may run at once for one client address.",
        default="no limit, or what -s says",
        unit="programs",
        example="4",
    )
    per_source_prefix: tuple[int, int] | None = key(
        valuetypes.prefix,
        "How many bits of an IPv4 and of an IPv6 address count as one client address "
        "for per_source, ip_max and answer_max.",
        default="32/64, or what --per-source-prefix says",
        unit="bits",
        example="24/56",
    )
    answer_max: int | None = key(
        keys.COUNT,
        "How many answers one client address may get in a minute from an internal "
        "service for datagrams or one that is dgram nowait; 0 is no limit.  The first "
        "answer of a program counts as ten.",
        default="6000, or what --answer-max says",
        unit="answers per minute",
        example="600",
    )
    pause: int | None = key(
        keys.PAUSE,
        "How long a service pauses that has started as many programs as service_max "
        "says; then it counts anew.",
        default="60, or what --pause says",
        unit="seconds",
        example="10",
    )
    refusal: str | None = key(
        keys.SAYING,
        "What a client is told that is turned away because of a limit, before its "
        "connection is closed.",
        default="nothing",
        example="busy",
    )
    backlog: int | None = key(
        valuetypes.number(0, 1 << 16),
        "How many connections may wait to be accepted.",
        default="what -q says",
        unit="connections",
        example="128",
    )
    sndbuf: int | None = key(
        valuetypes.size,
        "The size of the socket's send buffer.",
        default="the system's",
        unit="bytes",
        example="64k",
    )
    recvbuf: int | None = key(
        valuetypes.size,
        "The size of the socket's receive buffer.",
        default="the system's",
        unit="bytes",
        example="1m",
    )
    acceptfilter: str | None = key(
        valuetypes.word,
        "What must have arrived before a connection counts: an accept filter's name "
        "on the BSDs, dataready or httpready on Linux.",
        default="nothing",
        example="dataready",
    )
    nodelay: bool | None = key(
        valuetypes.flag,
        "Whether a program's small writes are sent at once, not together with later "
        "ones (TCP_NODELAY).",
        default="no",
        example="yes",
    )
    keepalive: bool | None = key(
        valuetypes.flag,
        "Whether the system finds out that a silent client is gone (SO_KEEPALIVE).",
        default="no",
        example="yes",
    )
    socket_user: str | None = key(
        valuetypes.word,
        "The owner of a UNIX socket.",
        default="who runs the daemon",
        example="nobody",
    )
    socket_group: str | None = key(
        valuetypes.word,
        "The group of a UNIX socket.",
        default="the owner's",
        example="nogroup",
    )
    socket_mode: int | None = key(
        valuetypes.octal,
        "The permissions of a UNIX socket.",
        default="0600",
        example="0660",
    )
    umask: int | None = key(
        valuetypes.octal,
        "The file creation mask of the program.",
        default="022",
        example="077",
    )
    directory: str | None = key(
        keys.FOLDER,
        "The working directory of the program, within chroot; ~ is the user's home.",
        default="/",
        example="/srv/ftp",
    )
    nice: int | None = key(
        valuetypes.integer(-20, 19),
        "How much lower the priority of the program is than the daemon's.",
        default="0",
        example="5",
    )
    groups: tuple[str, ...] | None = key(
        keys.GROUPS,
        "The supplementary groups of the program: yes for all of the user's, no for "
        "none but the first group, or their names.",
        default="yes",
        example="no",
    )
    chroot: str | None = key(
        keys.ROOT,
        "The folder that the program has as its root, and its path starts from.",
        default="/",
        example="/srv/jail",
    )
    rlimit_as: tuple[int, int] | None = rlimit("size of memory", "bytes")
    rlimit_core: tuple[int, int] | None = rlimit("size of a core file", "bytes")
    rlimit_cpu: tuple[int, int] | None = rlimit("processor time", "seconds")
    rlimit_data: tuple[int, int] | None = rlimit("size of data", "bytes")
    rlimit_files: tuple[int, int] | None = rlimit("number of open files", "files")
    rlimit_fsize: tuple[int, int] | None = rlimit("size of a written file", "bytes")
    rlimit_memlock: tuple[int, int] | None = rlimit("locked memory", "bytes")
    rlimit_nproc: tuple[int, int] | None = rlimit("user's processes", "processes")
    rlimit_rss: tuple[int, int] | None = rlimit("resident memory", "bytes")
    rlimit_stack: tuple[int, int] | None = rlimit("size of the stack", "bytes")
    stderr: str | None = key(
        keys.STDERR,
        "Where the program's standard error goes: to the client, to the daemon's "
        "log, or nowhere.",
        default="socket",
        example="log",
    )
    env: tuple[str, ...] | None = key(
        keys.VARIABLES,
        "EnvironmentSpec that are added to the program's environment, each NAME=VALUE.",
        default="none",
        example="LANG=C.UTF-8 TZ=UTC",
    )
    passenv: tuple[str, ...] | None = key(
        valuetypes.words,
        "The variables of the daemon's environment that the program gets, and no "
        "others; without a value it gets none.",
        default="all that are not about the daemon itself; where the user is another "
        "one, TZ, LANG and LC_* alone, and PATH is that of a login",
        example="PATH LANG",
    )
    launch: str | None = key(
        keys.LAUNCH,
        "How programs are started: by a fork server or by the daemon itself.",
        default="forkserver, or what --launch says",
        example="direct",
    )
    warm: bool | None = key(
        valuetypes.flag,
        "Whether an interpreter of Python is kept that is forked for every client; "
        "the program must be Python's.",
        default="no, or yes with --warm where that can be",
        example="yes",
    )
    preload: tuple[str, ...] | None = key(
        keys.MODULES,
        "The modules that are imported before there is a client, with commas or blanks "
        "between them; auto for those that the script imports at its top.",
        default="those of the standard library that the script imports at its top and "
        "that have nothing of their own for each process",
        example="auto",
    )
    ipsec: tuple[str, ...] | None = key(
        keys.IPSEC,
        "An IPsec policy; only an empty one is taken.",
        default="empty",
        example='""',
    )

    def __init__(
        self,
        service: str,
        location: Location,
        enabled: bool = True,
        locations: Mapping[str, Location] | None = None,
        **given: Any,
    ) -> None:
        """@param given: the values of keys, by their names."""
        # The one that dataclass makes sets all keys one by one, most of them to None,
        # which the class has anyway: a fifth of the time that it takes to read a line.
        vars(self).update(
            given,
            service=service,
            location=location,
            enabled=enabled,
            locations=locations or {},
        )

    def where(self, key: str) -> Location:
        """Where C{key} is written, or else the definition."""
        return self.locations.get(key, self.location)


KEYS: Mapping[str, Key] = {
    known.name: Key(known.name, *known.metadata["key"])
    for known in fields(Entry)
    if "key" in known.metadata
}
