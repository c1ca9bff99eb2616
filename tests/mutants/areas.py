# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The modules that are mutated, and the black-box tests of each.

They are all that launch programs and serve clients.
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
_SLOTS = (
    "robustness.sharedsocket",
    "robustness.names",
    "robustness.internal",
    "robustness.configuration",
)

#: The tests of each module: C{behaviour.child} is C{tests.behaviour.test_child}.
#: Modules of C{inetdtw.helpers.warm}.
_PARTS = [
    "protocol",
    "files",
    "library",
    "program",
    "preload",
    "process",
    "coldstart",
    "streams",
    "exceptions",
    "shutdown",
    "template",
    "children",
    "listeners",
    "server",
    "main",
]

AREAS: dict[str, tuple[str, ...]] = {
    "serve.child": _SERVING,
    "serve.factory": _SERVING,
    "serve.admission": (*_SERVING, *_SHORT),
    "serve.internal": ("behaviour.internals", *_SERVING),
    "serve.starter": (
        *_SERVING,
        "behaviour.context",
        "warm.serving",
        "robustness.internal",
    ),
    "limits.service": ("behaviour.limits", "robustness.overload", "behaviour.wait"),
    "serve.slot": _SLOTS,
    "serve.baseslot": _SLOTS,
    "serve.bindretry": _SLOTS,
    "serve.servicesocket": _SLOTS,
    "serve.holds": (*_SERVING, *_SHORT),
    "serve.listener": _SERVING,
    "serve.portless": ("behaviour.tcpmux", "behaviour.composition", "behaviour.reload"),
    "serve.tcpmuxlistener": ("behaviour.tcpmux", "robustness.clients"),
    "serve.stream": (*_SERVING, "robustness.forkserver", "warm.serving"),
    "serve.port": (*_SERVING, *_SHORT, "robustness.clients"),
    "serve.slots": (*_SERVING, "behaviour.control", "robustness.configuration"),
    "system.sockets": (
        *_SERVING,
        "behaviour.keys",
        "robustness.privileges",
        "behaviour.wait",
    ),
    "system.unixpath": ("robustness.privileges", "robustness.races", "behaviour.keys"),
    "system.directory": (
        "robustness.races",
        "robustness.privileges",
        "behaviour.command",
    ),
    "serve.sharedport": ("robustness.sharedsocket", "deployment.systemd"),
    "helpers.acceptor": ("robustness.sharedsocket", "deployment.systemd"),
    "helpers.socketstate": ("robustness.sharedsocket", "behaviour.wait"),
    "serve.undecided": ("behaviour.limits",),
    "model.source": ("behaviour.limits",),
    "internal.reflector": ("robustness.flood", "behaviour.internals"),
    "limits.answerrate": ("robustness.flood", "behaviour.limits"),
    "system.crowd": _SHORT,
    "launch.forkserver.chroot": ("behaviour.context", "warm.serving"),
    "launch.forkserver.code": ("deployment.upgrade", "robustness.forkserver"),
    "system.credentials": ("deployment.upgrade", "robustness.privileges"),
    "system.executable": ("behaviour.context", "behaviour.child", "behaviour.check"),
    "launch.warm.command": _WARM,
    "serve.tcpmux": ("behaviour.tcpmux", "robustness.clients"),
    "limits.budget": (
        "robustness.overload",
        "behaviour.limits",
        "robustness.processes",
    ),
    "serve.datagram": _DATAGRAMS,
    "serve.datagramport": _DATAGRAMS,
    "serve.replies": _DATAGRAMS,
    "serve.wait": _WAITING,
    "system.peek": _WAITING,
    "system.sockdiag": _WAITING,
    "launch.forkserver.channel": _FORKING,
    "launch.forkserver.children": (*_FORKING, "robustness.overload"),
    "launch.forkserver.delegation": (
        *_FORKING,
        "robustness.overload",
        "behaviour.reload",
    ),
    "launch.forkserver.launcher": (*_FORKING, "robustness.overload"),
    "launch.forkserver.process": (*_FORKING, "robustness.resources"),
    "launch.sendqueue": (*_FORKING, "robustness.overload"),
    "launch.retryqueue": _SHORT,
    "launch.direct": (
        "behaviour.child",
        "behaviour.context",
        "behaviour.wait",
        "behaviour.limits",
    ),
    "launch.pool": (*_FORKING, "behaviour.reload", "warm.serving"),
    "launch.stderr": ("behaviour.log", "behaviour.child", "behaviour.wait"),
    "system.exitwatch": ("robustness.processes", "behaviour.child", "warm.exit"),
    "system.descriptors": _SHORT,
    "system.descriptoraccount": _SHORT,
    "system.fdlimit": _SHORT,
    "serve.environment": ("behaviour.child", "robustness.privileges", "warm.serving"),
    "helpers.forkserver": (*_FORKING, "robustness.overload", "behaviour.reload"),
    "helpers.programs": (*_FORKING, "behaviour.wait"),
    "helpers.protocol": _FORKING,
    "helpers.spawn": (*_FORKING, "behaviour.keys"),
    "helpers.connection": (*_FORKING, "warm.serving"),
    "helpers.reports": (*_FORKING, "warm.serving"),
    "helpers.accept": (*_FORKING, "robustness.overload"),
    "launch.warm.launcher": _WARM,
    "launch.warm.accepting": _WARM,
    "launch.warm.delegation": (*_WARM, "robustness.overload"),
    "launch.warm.channel": _WARM,
    "launch.warm.children": _WARM,
    "launch.warm.orders": _WARM,
    "launch.warm.process": _WARM,
    "launch.warm.supervisor": _WARM,
    "config.python": ("warm.serving", "warm.hostile", "behaviour.check"),
    **{f"helpers.warm.{part}": _WARM for part in _PARTS},
}
