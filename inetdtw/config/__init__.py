# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""From the text of inetd.conf to services, with file, line and column of each error."""
