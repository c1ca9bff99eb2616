# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""How a program is started: direct, by a fork server, or warm."""
