# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Faults, floods, hostile clients and programs, and the shortage of resources."""
