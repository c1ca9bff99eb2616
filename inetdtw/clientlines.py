# -*- test-case-name: inetdtw.test.test_report -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The lines of the log that are about clients and the programs that serve them; see
L{inetdtw.report}.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from inetdtw.interfaces import Exit
from inetdtw.peers import ADDRESSES

_HOW = {None: "", True: " how={how}", False: " how={how}"}
#: The levels, each of which has all that those before it have.
LEVELS = ("error", "warn", "notice", "info", "debug")
_, WARN, NOTICE, INFO, _ = range(len(LEVELS))


class ClientLines:
    """
    What there is to say of clients.
    """

    def __init__(self, level: str = "notice", addresses: str = "full") -> None:
        """
        @param level: one of L{LEVELS}.
        @param addresses: one of L{ADDRESSES}.
        """
        self._level = LEVELS.index(level)
        self._peer = ADDRESSES[addresses]
        # As an attribute of the class it would have the namespace of the class.
        self._log = Logger(namespace="inetdtw")

    def start(
        self, service: str, pid: int, peer: Any, warm: bool | None = None
    ) -> None:
        """
        A program was started.

        @param warm: whether it was forked from an interpreter that was ready, if there
            is one for the service.
        """
        if self._level >= INFO:
            self._log.info(
                "start {service} pid={pid} peer={peer}" + _HOW[warm],
                service=service,
                pid=pid,
                peer=self._peer(peer),
                how="warm" if warm else "cold",
            )

    def end(self, service: str, pid: int, peer: Any, how: Exit, seconds: float) -> None:
        """
        A program has ended.
        """
        if self._level < (WARN if how.bad else INFO):
            return
        line = self._log.warn if how.bad else self._log.info
        line(
            "end {service} pid={pid} peer={peer} {how} seconds={seconds} cpu={cpu}",
            service=service,
            pid=pid,
            peer=self._peer(peer),
            how=str(how),
            status=how.status,
            signal=how.signal,
            seconds=f"{seconds:.3f}",
            cpu="-" if how.cpu is None else f"{how.cpu:.3f}",
        )

    def stderr(self, service: str, pid: int, peer: Any, text: str) -> None:
        """
        A program has written a line to its standard error.
        """
        if self._level < WARN:
            return
        self._log.warn(
            "stderr {service} pid={pid} peer={peer} text={text}",
            service=service,
            pid=pid,
            peer=self._peer(peer),
            text=text,
        )

    def refuse(self, service: str, peer: Any, reason: str) -> None:
        """
        A client was turned away.
        """
        if self._level < WARN:
            return
        self._log.warn(
            "refuse {service} peer={peer} reason={reason}",
            service=service,
            peer=self._peer(peer),
            reason=reason,
        )

    def fail(self, service: str, peer: Any, reason: str) -> None:
        """
        A program could not be started.
        """
        self._log.error(
            "fail {service} peer={peer} reason={reason}",
            service=service,
            peer=self._peer(peer),
            reason=reason,
        )

    def drop(self, service: str, peer: Any, reason: str) -> None:
        """
        A datagram was thrown away.
        """
        if self._level < WARN:
            return
        self._log.warn(
            "drop {service} peer={peer} reason={reason}",
            service=service,
            peer=self._peer(peer),
            reason=reason,
        )
