# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Support for black-box tests: daemons, clients, users and interpreters."""

#: The environment variable in which L{tests.support.measuring} hands the configuration
#: of coverage.py on to the daemons.
MEASURING = "INETDTW_MEASURING"
