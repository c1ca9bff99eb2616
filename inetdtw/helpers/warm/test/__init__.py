# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Unit tests of L{inetdtw.helpers.warm}."""
