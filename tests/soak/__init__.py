# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Floods and long runs; L{tests.robustness.test_flood} has shorter ones."""
