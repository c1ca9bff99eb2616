# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The modules that are mutated: all that launches programs and serves clients; and the
black-box tests that look at each.
"""

from __future__ import annotations

#: Black-box tests of C{tests}, by the part of the daemon that they are about.
_SERVING = (
    "behaviour.child",
    "behaviour.tcpmux",
    "behaviour.limits",
    "behaviour.reload",
    "robustness.overload",
    "behaviour.composition",
)
_DATAGRAMS = (
    "behaviour.wait",
    "behaviour.limits",
    "robustness.flood",
    "behaviour.internals",
    "robustness.sharedsocket",
)
_WAITING = (
    "behaviour.wait",
    "robustness.sharedsocket",
    "behaviour.reload",
    "robustness.processes",
)
_FORKING = (
    "robustness.forkserver",
    "behaviour.context",
    "deployment.upgrade",
    "robustness.privileges",
    "robustness.processes",
)
_PROBED = ("warm.exit", "warm.fidelity")
_WARM = (
    *_PROBED,
    "warm.serving",
    "warm.hostile",
    "warm.releases",
    "warm.path",
    "deployment.upgrade",
)
_SHORT = (
    "robustness.resources",
    "robustness.descriptors",
    "robustness.overload",
    "behaviour.limits",
)

#: The tests of each module: C{behaviour.child} is C{tests.behaviour.test_child}.
AREAS: dict[str, tuple[str, ...]] = {
    "child": _SERVING,
    "factory": _SERVING,
    "gate": (*_SERVING, *_SHORT),
    "internal": ("behaviour.internals", *_SERVING),
    "launches": (*_SERVING, "behaviour.context", "warm.serving", "robustness.internal"),
    "limits": ("behaviour.limits", "robustness.overload", "behaviour.wait"),
    "listen": (
        "robustness.sharedsocket",
        "robustness.names",
        "robustness.internal",
        "robustness.configuration",
    ),
    "muxed": ("behaviour.tcpmux", "behaviour.composition", "behaviour.reload"),
    "muxing": ("behaviour.tcpmux", "robustness.clients"),
    "nowait": (*_SERVING, "robustness.forkserver", "warm.serving"),
    "ports": (*_SERVING, *_SHORT, "robustness.clients"),
    "slots": (*_SERVING, "behaviour.control", "robustness.configuration"),
    "sockets": (*_SERVING, "behaviour.keys", "robustness.privileges", "behaviour.wait"),
    "pathfile": ("robustness.privileges", "robustness.races", "behaviour.keys"),
    "directory": ("robustness.races", "robustness.privileges", "behaviour.command"),
    "sharedport": ("robustness.sharedsocket", "deployment.systemd"),
    "_accepthelper": ("robustness.sharedsocket", "deployment.systemd"),
    "_original": ("robustness.sharedsocket", "behaviour.wait"),
    "undecided": ("behaviour.limits",),
    "source": ("behaviour.limits",),
    "_reflector": ("robustness.flood", "behaviour.internals"),
    "answerrate": ("robustness.flood", "behaviour.limits"),
    "crowd": _SHORT,
    "rooted": ("behaviour.context", "warm.serving"),
    "helpercode": ("deployment.upgrade", "robustness.forkserver"),
    "credentials": ("deployment.upgrade", "robustness.privileges"),
    "program": ("behaviour.context", "behaviour.child", "behaviour.check"),
    "warmtext": _WARM,
    "tcpmux": ("behaviour.tcpmux", "robustness.clients"),
    "total": ("robustness.overload", "behaviour.limits", "robustness.processes"),
    "datagrams": _DATAGRAMS,
    "datagramport": _DATAGRAMS,
    "exchange": _DATAGRAMS,
    "waiting": _WAITING,
    "pending": _WAITING,
    "backlog": _WAITING,
    "channel": _FORKING,
    "children": (*_FORKING, "robustness.overload"),
    "delegations": (*_FORKING, "robustness.overload", "behaviour.reload"),
    "forkserver": (*_FORKING, "robustness.overload"),
    "helper": (*_FORKING, "robustness.resources"),
    "posts": (*_FORKING, "robustness.overload"),
    "held": _SHORT,
    "direct": (
        "behaviour.child",
        "behaviour.context",
        "behaviour.wait",
        "behaviour.limits",
    ),
    "launchers": (*_FORKING, "behaviour.reload", "warm.serving"),
    "complaints": ("behaviour.log", "behaviour.child", "behaviour.wait"),
    "watch": ("robustness.processes", "behaviour.child", "warm.exit"),
    "descriptors": _SHORT,
    "environment": ("behaviour.child", "robustness.privileges", "warm.serving"),
    "_forkhelper": (*_FORKING, "robustness.overload", "behaviour.reload"),
    "_programs": (*_FORKING, "behaviour.wait"),
    "_packets": _FORKING,
    "_spawning": (*_FORKING, "behaviour.keys"),
    "_accepting": (*_FORKING, "warm.serving"),
    "warm": _WARM,
    "acceptingwarm": _WARM,
    "warmaccepting": (*_WARM, "robustness.overload"),
    "warmchannel": _WARM,
    "warmchildren": _WARM,
    "warmorders": _WARM,
    "warmprocess": _WARM,
    "succession": _WARM,
    "interpreter": ("warm.serving", "warm.hostile", "behaviour.check"),
    "_warmhelper": _WARM,
}
