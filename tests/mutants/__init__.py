# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Mutation testing of all that launches programs and serves clients; see
L{tests.mutants.__main__}.
"""
