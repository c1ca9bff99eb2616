# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What the plugin of twistd(1) names: the options and the service."""

from inetdtw.cli.plugin import Options, makeService

__all__ = ["Options", "makeService"]
