# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The superserver for Twisted: an inetd(8) that reads the inetd.conf you have.

What C{__all__} lists is public.  Everything else is private, whatever its name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from inetdtw._version import __version__ as __version__

if TYPE_CHECKING:
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

#: Where the public names are.  They are imported when they are asked for, as what
#: only wants the version, or one module, does not want Twisted's reactor.
_MODULES = {
    "AmbiguousService": "model.selection",
    "Bounds": "model.service",
    "ConfError": "model.errors",
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
    A public name.

    @raise AttributeError: if it is none.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    """What there is, for those who look around."""
    return sorted({*globals(), *__all__})
