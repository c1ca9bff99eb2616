# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What black-box tests have in common: daemons, clients, users and interpreters."""

#: The environment variable in which L{tests.support.measuring} hands the configuration
#: of coverage.py on to the daemons.
MEASURING = "INETDTW_MEASURING"
