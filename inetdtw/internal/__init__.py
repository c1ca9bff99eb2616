# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The internal services (RFC 862-868) as Twisted protocols, and the reflector guard."""
