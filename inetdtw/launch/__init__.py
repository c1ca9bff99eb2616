# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The launchers, which start programs: direct, fork server and warm."""
