# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""From a bound socket to a running program: listeners, admission and children."""
