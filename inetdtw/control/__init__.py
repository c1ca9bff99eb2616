# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The operator's interface: control socket, HTTP API, metrics and their client."""
