# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The version of this package, and nothing else: everything can import it."""

__version__ = "0.1.0"
