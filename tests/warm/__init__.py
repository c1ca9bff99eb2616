# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Warm services: their programs run as after a cold start, and harm nothing else."""
