# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Installation, supervision, and the daemon as process 1."""
