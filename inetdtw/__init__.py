# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The superserver for Twisted: an inetd(8) that reads the inetd.conf you have.
"""

from inetdtw.superserver import InetdService, NothingToServe

__all__ = ["InetdService", "NothingToServe"]

__version__ = "0.1.0"
