# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Pure counting over a clock: limits of services, the process budget, backoff."""
