# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Mutation testing; see L{tests.mutants.__main__}."""
