# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Frozen values that everything else talks about: addresses, services, states, errors."""
