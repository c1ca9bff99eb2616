# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Floods and long runs, which L{tests.test_flood} and L{tests.test_soak} have in short.
"""
