# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""From the text of inetd.conf to services, with the location of each error."""
