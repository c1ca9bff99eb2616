# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The daemon's interface to the operating system: each system facility once."""
