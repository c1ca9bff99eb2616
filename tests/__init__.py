# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Black-box tests: real daemons, real clients, real programs.
"""

#: The variable that has, when the tests are measured, what L{tests.measuring} wants to
#: be handed on to daemons.
MEASURING = "INETDTW_MEASURING"
