# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Frozen values that all packages share: addresses, services, states, errors."""
