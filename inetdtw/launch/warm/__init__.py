# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Programs that are forked from the service's own Python interpreter."""
