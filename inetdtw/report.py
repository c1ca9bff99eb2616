# -*- test-case-name: inetdtw.test.test_report -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The lines of the log: one function for each kind of line, one grammar for all.

A line is a word that says what happened, the name of the service, and
C{name=value} pairs; the value that may have blanks in it comes last.
"""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger

from inetdtw.diff import Changes
from inetdtw.entry import ConfError
from inetdtw.environment import plain
from inetdtw.interfaces import Exit


def peerText(peer: Any) -> str:
    """
    A client's address, as a word; one of a UNIX socket has none.
    """
    if isinstance(peer, tuple) and len(peer) > 1:
        host = plain(peer[0])
        return f"[{host}]:{peer[1]}" if ":" in host else f"{host}:{peer[1]}"
    return "-"


class Report:
    """
    What the daemon has to say.
    """

    def __init__(self, successes: bool = False) -> None:
        """
        @param successes: whether starts and good ends are worth a line as well.
        """
        self._successes = successes
        # As an attribute of the class it would have the namespace of the class.
        self._log = Logger(namespace="inetdtw")

    def start(self, service: str, pid: int, peer: Any) -> None:
        """
        A program was started.
        """
        if self._successes:
            self._log.info(
                "start {service} pid={pid} peer={peer}",
                service=service,
                pid=pid,
                peer=peerText(peer),
            )

    def end(self, service: str, pid: int, peer: Any, how: Exit, seconds: float) -> None:
        """
        A program has ended.
        """
        if not (how.bad or self._successes):
            return
        line = self._log.warn if how.bad else self._log.info
        line(
            "end {service} pid={pid} peer={peer} {how} seconds={seconds} cpu={cpu}",
            service=service,
            pid=pid,
            peer=peerText(peer),
            how=str(how),
            seconds=f"{seconds:.3f}",
            cpu="-" if how.cpu is None else f"{how.cpu:.3f}",
        )

    def stderr(self, service: str, pid: int, peer: Any, text: str) -> None:
        """
        A program has written a line to its standard error.
        """
        self._log.warn(
            "stderr {service} pid={pid} peer={peer} text={text}",
            service=service,
            pid=pid,
            peer=peerText(peer),
            text=text,
        )

    def refuse(self, service: str, peer: Any, reason: str) -> None:
        """
        A client was turned away.
        """
        self._log.warn(
            "refuse {service} peer={peer} reason={reason}",
            service=service,
            peer=peerText(peer),
            reason=reason,
        )

    def fail(self, service: str, peer: Any, reason: str) -> None:
        """
        A program could not be started.
        """
        self._log.error(
            "fail {service} peer={peer} reason={reason}",
            service=service,
            peer=peerText(peer),
            reason=reason,
        )

    def pause(self, service: str, seconds: float, reason: str) -> None:
        """
        A service takes no clients for a while.
        """
        self._log.warn(
            "pause {service} seconds={seconds} reason={reason}",
            service=service,
            seconds=f"{seconds:g}",
            reason=reason,
        )

    def resume(self, service: str) -> None:
        """
        A service takes clients again.
        """
        self._log.info("resume {service}", service=service)

    def drop(self, service: str, peer: Any, reason: str) -> None:
        """
        A datagram was thrown away.
        """
        self._log.warn(
            "drop {service} peer={peer} reason={reason}",
            service=service,
            peer=peerText(peer),
            reason=reason,
        )

    def listening(self, service: str, address: str) -> None:
        """
        A service has its socket.
        """
        self._log.info(
            "listen {service} address={address}", service=service, address=address
        )

    def stopped(self, service: str) -> None:
        """
        A service has given its socket up.
        """
        self._log.info("close {service}", service=service)

    def unbound(self, service: str, address: str, seconds: float, reason: str) -> None:
        """
        A service cannot have its socket yet.
        """
        self._log.error(
            "unbound {service} address={address} retry={seconds} reason={reason}",
            service=service,
            address=address,
            seconds=f"{seconds:g}",
            reason=reason,
        )

    def reload(self, changes: Changes) -> None:
        """
        A new configuration holds.
        """
        self._log.info(
            "reload kept={kept} changed={changed} started={started} stopped={stopped}",
            kept=len(changes.keep),
            changed=len(changes.change),
            started=len(changes.start),
            stopped=len(changes.stop),
        )

    def unchanged(self, problems: int) -> None:
        """
        A new configuration was rejected.
        """
        self._log.error(
            "reload rejected problems={problems} reason={reason}",
            problems=problems,
            reason="the old configuration stays",
        )

    def problem(self, error: ConfError) -> None:
        """
        A part of the configuration is left out.
        """
        self._log.error(
            "conf {place} field={field} reason={reason}",
            place=str(error.place),
            field=error.field,
            reason=error.reason,
        )

    def warning(self, about: Any) -> None:
        """
        A part of the configuration is strange.
        """
        self._log.warn(
            "warning {place} field={field} reason={reason}",
            place=str(about.place),
            field=about.field,
            reason=about.reason,
        )

    def stalled(self, reason: str) -> None:
        """
        No program can be started at the moment.
        """
        self._log.error("stall reason={reason}", reason=reason)

    def forkserver(self, user: str, pid: int | None, what: str) -> None:
        """
        Something happened to a fork server.
        """
        self._log.warn(
            "forkserver {user} pid={pid} {what}",
            user=user,
            pid="-" if pid is None else pid,
            what=what,
        )

    def nothing(self, files: str) -> None:
        """
        There is nothing to serve.
        """
        self._log.error("nothing to serve in {files}", files=files)
