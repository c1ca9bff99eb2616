# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Commands and options of inetd(8): they print and exit, and never serve."""
