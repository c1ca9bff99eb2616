# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for what needs no peers and no clocks."""
