# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The superserver for Twisted: an inetd(8) that reads the inetd.conf you have.

What C{__all__} lists is public.  Everything else is private, whatever its name.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inetdtw.place import ConfError
    from inetdtw.report import Report
    from inetdtw.service import Bounds, Settings
    from inetdtw.signals import ReloadOnHangup, StateOnUser2
    from inetdtw.superserver import InetdService, NothingToServe

__all__ = [
    "Bounds",
    "ConfError",
    "InetdService",
    "NothingToServe",
    "ReloadOnHangup",
    "Report",
    "Settings",
    "StateOnUser2",
]

__version__ = "0.1.0"

#: Where the public names are.  They are imported when they are asked for, as what
#: only wants the version, or one module, does not want Twisted's reactor.
_MODULES = {
    "Bounds": "service",
    "ConfError": "place",
    "InetdService": "superserver",
    "NothingToServe": "superserver",
    "ReloadOnHangup": "signals",
    "Report": "report",
    "Settings": "service",
    "StateOnUser2": "signals",
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
    """
    What there is, for those who look around.
    """
    return sorted({*globals(), *__all__})
