# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Programs that run in other processes, and the wire format that they share."""
