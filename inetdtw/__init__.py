# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The superserver for Twisted: an inetd(8) that reads the inetd.conf you have.

What C{__all__} lists is public.  Everything else is private, whatever its name.
"""

from __future__ import annotations

from inetdtw._version import __version__ as __version__

# Stands for typing's, which is not imported: helper processes import the package, too.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from inetdtw.config.loader import Configuration
    from inetdtw.daemon.sdnotify import Notifications
    from inetdtw.daemon.signals import ReloadOnHangup, StateOnUser2
    from inetdtw.limits.counters import Tally
    from inetdtw.log.report import Report
    from inetdtw.model.changes import ReloadResult
    from inetdtw.model.errors import ConfError
    from inetdtw.model.selection import AmbiguousService
    from inetdtw.model.service import Bounds, Settings
    from inetdtw.model.state import DaemonState, Draining, ServiceState
    from inetdtw.serve.factory import ProgramFactory
    from inetdtw.superserver import InetdService, NothingToServe
    from inetdtw.system.activation import Inherited

__all__ = [
    "AmbiguousService",
    "Bounds",
    "ClientList",
    "ConfError",
    "Configuration",
    "DaemonState",
    "Draining",
    "InetdService",
    "Inherited",
    "NothingToServe",
    "Notifications",
    "ProgramFactory",
    "ReloadOnHangup",
    "ReloadResult",
    "Report",
    "ServiceState",
    "Settings",
    "StateOnUser2",
    "Tally",
]

#: The modules of the public names.  They are imported on demand, because the version,
#: or one module, does not need Twisted's reactor.
_MODULES = {
    "AmbiguousService": "model.selection",
    "Bounds": "model.service",
    "ConfError": "model.errors",
    "ClientList": "model.clients",
    "Configuration": "config.loader",
    "DaemonState": "model.state",
    "Draining": "model.state",
    "InetdService": "superserver",
    "Inherited": "system.activation",
    "NothingToServe": "superserver",
    "Notifications": "daemon.sdnotify",
    "ProgramFactory": "serve.factory",
    "ReloadOnHangup": "daemon.signals",
    "ReloadResult": "model.changes",
    "Report": "log.report",
    "ServiceState": "model.state",
    "Settings": "model.service",
    "StateOnUser2": "daemon.signals",
    "Tally": "limits.counters",
}


def __getattr__(name: str) -> Any:
    """
    Import a public name.

    @raise AttributeError: if there is no such name.
    """
    import importlib

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    """Return all names."""
    return sorted({*globals(), *__all__})
