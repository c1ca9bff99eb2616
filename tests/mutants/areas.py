# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The modules that are mutated: all that launches programs and serves clients; and the
black-box tests that look at each.
"""

from __future__ import annotations

#: Black-box tests of C{tests}, by the part of the daemon that they are about.
_SERVING = ("child", "tcpmux", "limits", "reload", "overload", "composition")
_DATAGRAMS = ("wait", "limits", "flood", "internals", "sharedsocket")
_WAITING = ("wait", "sharedsocket", "reload", "faults_processes")
_FORKING = ("forkserver", "context", "upgrade", "privileges", "faults_processes")
_PROBED = ("warmends", "warmprobe")
_WARM = (*_PROBED, "warm", "warmharm", "warmreleases", "warmpath", "upgrade")
_SHORT = ("faults_resources", "faults_descriptors", "overload", "limits")

#: The names of the tests of each module, without C{tests.test_}.
AREAS: dict[str, tuple[str, ...]] = {
    "child": _SERVING,
    "factory": _SERVING,
    "gate": (*_SERVING, *_SHORT),
    "internal": ("internals", *_SERVING),
    "launches": (*_SERVING, "context", "warm", "faults_internal"),
    "limits": ("limits", "overload", "wait"),
    "listen": ("sharedsocket", "names", "faults_internal", "faults_configuration"),
    "muxed": ("tcpmux", "composition", "reload"),
    "muxing": ("tcpmux", "faults_clients"),
    "nowait": (*_SERVING, "forkserver", "warm"),
    "ports": (*_SERVING, *_SHORT, "faults_clients"),
    "slots": (*_SERVING, "control", "faults_configuration"),
    "sockets": (*_SERVING, "keys", "privileges", "wait"),
    "pathfile": ("privileges", "races", "keys"),
    "directory": ("races", "privileges", "command"),
    "sharedport": ("sharedsocket", "supervision"),
    "_accepthelper": ("sharedsocket", "supervision"),
    "_original": ("sharedsocket", "wait"),
    "undecided": ("limits",),
    "source": ("limits",),
    "_reflector": ("flood", "internals"),
    "answerrate": ("flood", "limits"),
    "crowd": _SHORT,
    "rooted": ("context", "warm"),
    "helpercode": ("upgrade", "forkserver"),
    "credentials": ("upgrade", "privileges"),
    "program": ("context", "child", "check"),
    "warmtext": _WARM,
    "tcpmux": ("tcpmux", "faults_clients"),
    "total": ("overload", "limits", "faults_processes"),
    "datagrams": _DATAGRAMS,
    "datagramport": _DATAGRAMS,
    "exchange": _DATAGRAMS,
    "waiting": _WAITING,
    "pending": _WAITING,
    "backlog": _WAITING,
    "channel": _FORKING,
    "children": (*_FORKING, "overload"),
    "delegations": (*_FORKING, "overload", "reload"),
    "forkserver": (*_FORKING, "overload"),
    "helper": (*_FORKING, "faults_resources"),
    "posts": (*_FORKING, "overload"),
    "held": _SHORT,
    "direct": ("child", "context", "wait", "limits"),
    "launchers": (*_FORKING, "reload", "warm"),
    "complaints": ("log", "child", "wait"),
    "watch": ("faults_processes", "child", "warmends"),
    "descriptors": _SHORT,
    "environment": ("child", "privileges", "warm"),
    "_forkhelper": (*_FORKING, "overload", "reload"),
    "_programs": (*_FORKING, "wait"),
    "_packets": _FORKING,
    "_spawning": (*_FORKING, "keys"),
    "_accepting": (*_FORKING, "warm"),
    "warm": _WARM,
    "acceptingwarm": _WARM,
    "warmaccepting": (*_WARM, "overload"),
    "warmchannel": _WARM,
    "warmchildren": _WARM,
    "warmorders": _WARM,
    "warmprocess": _WARM,
    "succession": _WARM,
    "interpreter": ("warm", "warmharm", "check"),
    "_warmhelper": _WARM,
}
