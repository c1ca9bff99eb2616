# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What the daemon asks of the operating system, each thing once."""
