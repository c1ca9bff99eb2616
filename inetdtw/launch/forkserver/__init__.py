# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Programs that a fork server starts in the context of their service."""
