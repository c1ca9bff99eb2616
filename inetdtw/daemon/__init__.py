# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The process around the superserver: signals, process 1 and sd_notify(3)."""
