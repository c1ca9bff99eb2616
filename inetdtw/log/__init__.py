# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The lines of the log and their formats: text, JSON and syslog."""
