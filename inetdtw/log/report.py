# -*- test-case-name: inetdtw.log.test.test_report -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The lines of the log: one function for each kind of line, one grammar for all.
Those that are about clients are in L{inetdtw.log.clientlines}.

A line is a word that says what happened, to which service, and C{name=value} pairs;
the one value that may have blanks in it comes last, as C{reason} or C{text}.  In the
place of the service there is a dash for what is about no single one, and the place
in the file for what is wrong with a configuration.  What can have to do with a client
has its address as C{peer}; a value that there is not is a dash.

What is worth a line depends on the level:

  - C{error}: what does not work: C{fail}, C{unbound}, C{stall}, C{conf},
    C{reload rejected}, C{nothing}, C{log} with C{lost=}; C{suppress} with how many
    lines of these or others were left out; and C{state}, which somebody asked for;
  - C{warn}: also what an operator may want to look at: C{end} of a program that
    ended badly, C{refuse}, C{pause}, C{drop}, C{renew}, C{stderr}, C{warning},
    C{forkserver}, C{warm}, C{unused}, C{unnotified}, C{signal}, C{control} with a
    reason;
  - C{notice}: also what the daemon does: C{listen}, C{change}, C{close}, C{resume},
    C{reload}, C{drain}, C{warm} with C{event=ready};
  - C{info}: also C{control}, C{start} of every program and C{end} of those that ended
    well;
  - C{debug}: also what others have to say to those who look for mistakes.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from inetdtw.log import rate
from inetdtw.log.clientlines import INFO, NOTICE, WARN, ClientLines
from inetdtw.model.activation import UnusedSocket
from inetdtw.model.changes import Changes
from inetdtw.model.errors import ConfError
from inetdtw.model.state import ServiceState
from inetdtw.text import printable

#: The seconds for which a shortage is not said again.
QUIET = 10.0
#: What is said besides of the death of a process that accepts connections itself, one
#: after the other: until it has started a program nobody else knows of the client.
JUST_ACCEPTED = "; the client that it was accepting, if any, is closed"


def _word(text: str) -> str:
    """A text without blanks."""
    return text.replace(" ", "\\x20")


class Report(ClientLines):
    """What the daemon has to say."""

    def __init__(
        self,
        level: str = "notice",
        addresses: str = "full",
        clock: Callable[[], float] = time.monotonic,
        burst: int = rate.BURST,
        reactor: Any = None,
    ) -> None:
        """
        @param level: one of L{LEVELS<inetdtw.log.clientlines.LEVELS>}.
        @param addresses: one of L{ADDRESSES<inetdtw.model.address.ADDRESSES>}.
        @param clock: the time in seconds, from any start.
        @param burst: how many lines of a kind a service may have in
            L{lograte.INTERVAL} seconds; 0 is no limit.
        @param reactor: by default the global one.
        """
        super().__init__(level, addresses, clock, burst, reactor)
        self._clock = clock
        self._said: dict[str, float] = {}

    def pause(
        self, service: str, seconds: float | None, reason: str, peer: Any = None
    ) -> None:
        """
        A service takes no clients for a while.

        @param seconds: how long, unless that is until somebody ends it.
        @param peer: the client that was one too many, if it was one.
        """
        if self._level < WARN:
            return
        self._log.warn(
            "pause {service} seconds={seconds} peer={peer} reason={reason}",
            service=service,
            seconds="-" if seconds is None else f"{seconds:g}",
            peer=self._peer(peer),
            reason=reason,
        )

    def resume(self, service: str) -> None:
        """A service takes clients again."""
        if self._level < NOTICE:
            return
        self._log.info("resume {service} peer=-", service=service)

    def listening(self, service: str, address: str, inherited: bool = False) -> None:
        """
        A service has its socket.

        @param inherited: whether the daemon was started with it.
        """
        if self._level < NOTICE:
            return
        self._log.info(
            "listen {service} address={address}" + " source={source}" * inherited,
            service=service,
            address=address,
            source="LISTEN_FDS",
        )

    def unused(self, about: UnusedSocket) -> None:
        """The daemon was started with something that no service wants."""
        if self._level < WARN:
            return
        self._log.warn(
            "unused - fd={fd} name={name} address={address} reason={reason}",
            fd=about.fd,
            name=_word(printable(about.name)),
            address=_word(printable(about.where)),
            reason=about.reason,
        )

    def changed(self, service: str) -> None:
        """A service is another one now, on the same socket."""
        if self._level < NOTICE:
            return
        self._log.info("change {service}", service=service)

    def stopped(self, service: str) -> None:
        """A service has given its socket up."""
        if self._level < NOTICE:
            return
        self._log.info("close {service}", service=service)

    def unbound(self, service: str, address: str, seconds: float, reason: str) -> None:
        """A service cannot have its socket yet."""
        self._log.error(
            "unbound {service} address={address} retry={retry} reason={reason}",
            service=service,
            address=address,
            retry=f"{seconds:g}",
            reason=reason,
        )

    def renewed(self, service: str, address: str, reason: str) -> None:
        """A service needs another socket, as nobody can reach it by the one that it has."""
        if self._level < WARN or not self._allows("renew", service, reason):
            return
        self._log.warn(
            "renew {service} address={address} reason={reason}",
            service=service,
            address=address,
            reason=reason,
        )

    def reload(self, changes: Changes) -> None:
        """A new configuration holds."""
        if self._level < NOTICE:
            return
        self._log.info(
            "reload - peer=- kept={kept} changed={changed} started={started} "
            "stopped={stopped}",
            kept=len(changes.keep),
            changed=len(changes.change),
            started=len(changes.start),
            stopped=len(changes.stop),
        )

    def unchanged(self, problems: int) -> None:
        """A new configuration was rejected."""
        self._log.error(
            "reload - peer=- problems={problems} reason={reason}",
            problems=problems,
            reason="the old configuration stays",
        )

    def problem(self, error: ConfError) -> None:
        """A part of the configuration is left out."""
        self._log.error(
            "conf {place} field={field} reason={reason}",
            place=_word(str(error.location)),
            field=error.field,
            reason=error.reason,
        )

    def warning(self, about: Any) -> None:
        """A part of the configuration is strange."""
        if self._level < WARN:
            return
        self._log.warn(
            "warning {place} field={field} reason={reason}",
            place=_word(str(about.location)),
            field=about.field,
            reason=about.reason,
        )

    def unnotified(self, address: str, reason: str) -> None:
        """Whoever supervises the daemon cannot be told anything."""
        if self._level < WARN:
            return
        self._log.warn(
            "unnotified - address={address} reason={reason}",
            address=_word(printable(address)),
            reason=reason,
        )

    def stalled(self, reason: str) -> None:
        """
        No program can be started at the moment.  This is said once, and again only
        after C{QUIET} seconds, as a shortage is found out for every client anew.
        """
        if self._isNew(reason):
            self._log.error("stall - peer=- reason={reason}", reason=reason)

    def refuseMany(self, service: str, peer: Any, reason: str) -> None:
        """
        A client was refused, and many others may be for the same reason.  The log has
        one of them in C{QUIET} seconds for each service.
        """
        if self._isNew(f"{service} {reason}"):
            self.refuse(service, peer, reason)

    def _isNew(self, what: str) -> bool:
        """True if something was not said in the last C{QUIET} seconds; it is from now on."""
        now = self._clock()
        if now - self._said.get(what, -QUIET) < QUIET:
            return False
        self._said[what] = now
        return True

    def lost(self, lines: int) -> None:
        """Lines of the log could not be written, and are gone."""
        self._log.error(
            "log - lost={lost} reason={reason}",
            lost=lines,
            reason="there was no room for more lines",
        )

    def signalled(self, name: str, ends: bool) -> None:
        """
        A signal has come that the daemon has no use for.  This is said again only after
        C{QUIET} seconds.

        @param name: its name, such as C{SIGUSR1}.
        @param ends: whether it ends the daemon.
        """
        if self._level >= WARN and self._isNew(name):
            what = "end" if ends else "ignored"
            self._log.warn("signal - name={name} event={what}", name=name, what=what)

    def crowded(self, most: int) -> None:
        """As many programs run as may."""
        self.stalled(f"{most} programs run, which --max-children allows at most")

    def forkserver(self, uid: int, pid: int | None, retry: float, reason: str) -> None:
        """
        A fork server has died.

        @param uid: the user that it ran as.
        @param retry: the seconds after which another one is started.
        @param reason: what it died of, and L{JUST_ACCEPTED} if it accepted itself.
        """
        if self._level < WARN:
            return
        self._log.warn(
            "forkserver - uid={uid} pid={pid} event={what} retry={retry} "
            "reason={reason}",
            uid=uid,
            pid="-" if pid is None else pid,
            what="died",
            retry=f"{retry:g}",
            reason=reason,
        )

    def warmed(self, service: str, pid: int | None) -> None:
        """The interpreter that is kept for a service is ready."""
        if self._level < NOTICE:
            return
        self._log.info(
            "warm {service} pid={pid} event={what}",
            service=service,
            pid=pid,
            what="ready",
        )

    def cooled(
        self, service: str, pid: int | None, retry: float | None, reason: str
    ) -> None:
        """
        The interpreter that was kept for a service has ended.

        @param retry: the seconds after which another one is started; C{None} if none
            is.
        @param reason: what it died of, and L{JUST_ACCEPTED} if it accepted itself.
        """
        if self._level < WARN:
            return
        self._log.warn(
            "warm {service} pid={pid} event={what} retry={retry} reason={reason}",
            service=service,
            pid="-" if pid is None else pid,
            what="died",
            retry="never" if retry is None else f"{retry:g}",
            reason=reason,
        )

    def warmSaid(self, service: str, pid: int | None, text: str) -> bool:
        """
        The interpreter that is kept for a service has something to say.

        @return: false if it was left out, as are those lines that come now.
        """
        if self._level < WARN:
            return True
        if not self._allows("warm", service, text):
            return False
        self._log.warn(
            "warm {service} pid={pid} event={what} text={text}",
            service=service,
            pid="-" if pid is None else pid,
            what="said",
            text=text,
        )
        return True

    def state(self, state: ServiceState) -> None:
        """How a service is, as somebody has asked."""
        self._log.info(
            "state {service} address={address} started={started} warm={warm} "
            "refused={refused} failed={failed} running={running} held={held}",
            service=state.name,
            address=state.address,
            started=state.started,
            warm=state.warm,
            refused=state.refused,
            failed=state.failed,
            running=state.running,
            held=",".join(each.value for each in state.held) or "-",
        )

    def draining(self, running: int) -> None:
        """The daemon takes no more clients, and ends when no program runs."""
        if self._level < NOTICE:
            return
        self._log.info("drain - running={running}", running=running)

    def controlled(self, address: str) -> None:
        """The daemon can be asked and told things there."""
        if self._level < INFO:
            return
        where = _word(printable(address))
        self._log.info("control - address={address}", address=where)

    def uncontrolled(self, address: str, reason: str) -> None:
        """The daemon cannot be asked things where it should."""
        if self._level < WARN:
            return
        self._log.warn(
            "control - address={address} reason={reason}",
            address=_word(printable(address)),
            reason=reason,
        )

    def nothing(self, files: str) -> None:
        """There is nothing to serve."""
        self._log.error(
            "nothing - reason={reason}", reason=f"nothing to serve in {files}"
        )
