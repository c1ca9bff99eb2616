# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Pure counting over a clock: limits of services, budgets, counters and backoff."""
