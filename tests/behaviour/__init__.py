# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for clients and operators: keys, limits, commands, the log."""
