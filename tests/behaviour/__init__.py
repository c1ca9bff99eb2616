# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What clients and operators see of the daemon: keys, limits, commands, the log."""
