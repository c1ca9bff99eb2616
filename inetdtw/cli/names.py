# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The names of the commands, which L{inetdtw.cli.entry} compares before it imports."""

from __future__ import annotations

#: The commands for a running daemon.
COMMANDS = ("status", "clients", "health", "reload", "pause", "resume", "drain")
