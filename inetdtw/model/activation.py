# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Sockets that were passed to the daemon (sd_listen_fds(3)), as the log names them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UnusedSocket:
    """
    A descriptor that no service uses.

    @ivar fd: the descriptor that it had.
    @ivar name: what it was called.
    @ivar where: its address, for messages.
    @ivar reason: why it is not used.
    """

    fd: int
    name: str
    where: str
    reason: str
