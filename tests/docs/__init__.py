# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The guide, man pages, examples and security claims hold."""
