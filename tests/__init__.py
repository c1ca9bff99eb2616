# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Black-box tests: real daemons, real clients, real programs."""
