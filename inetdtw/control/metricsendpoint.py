# -*- test-case-name: inetdtw.control.test.test_metricsendpoint -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The endpoint where Prometheus finds the metrics."""

from __future__ import annotations

import re
import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.python.failure import Failure

from inetdtw.control.http import Answers, Site
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.address import Address
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.hostnames import HostNames, NameWanted, numeric

#: Where an endpoint listens, unless it is an address of IPv6.
_INTERFACE = re.compile(r"(?<=:interface=)[^:\\]+")
#: The seconds before another try to listen.
RETRY = 10.0
#: What there is to see when there can be no such endpoint: words that are wrong, a
#: library that is not installed, files that cannot be read.
_WRONG = (ValueError, TypeError, KeyError, IndexError, ImportError, OSError)


class MetricsEndpoint(Service):
    """
    Answers on any endpoint of Twisted's.  The daemon serves without it, and tries
    again, if it cannot be had.
    """

    name = "inetd metrics"

    def __init__(
        self,
        answers: Answers,
        description: str,
        report: Report,
        reactor: Any = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        """
        @param description: as in C{tcp:9100:interface=127.0.0.1}.
        @param descriptors: the account of all file descriptors of this process.

        @raise ValueError: if that is no description of an endpoint.
        """
        if reactor is None:
            from twisted.internet import reactor
        self._description = description
        self._report = report
        self._reactor = reactor
        account = Descriptors() if descriptors is None else descriptors
        self._site = Site(
            answers, account=DescriptorAccount(account, Purpose.METRICS, "", each=1)
        )
        try:
            self._endpoint = serverFromString(reactor, description)
        except _WRONG as why:
            raise ValueError(f"'{description}' is no endpoint: {why}") from None
        self._host = hostNameIn(description)
        self._names = HostNames(lambda: reactor.callFromThread(self._named))
        self._port: Any = None
        self._later: Any = None

    def startService(self) -> None:
        """Begin to answer."""
        super().startService()
        self._listen()

    def _listen(self) -> None:
        """Get the socket, or plan to try again."""
        self._later = None
        if self._host is not None:
            # Twisted would wait for the name service.
            self._names.ask((self._host.host,))
        else:
            self._listenAt(self._endpoint)

    def _listenAt(self, endpoint: Any) -> None:
        """Get the socket of an endpoint, or plan to try again."""
        listening = maybeDeferred(endpoint.listen, self._site)
        listening.addCallbacks(self._listening, self._failed)

    def _named(self) -> None:
        """The host name was looked up."""
        self._names.collect()
        if not self.running or self._host is None or self._port or self._later:
            return
        found = self._names.at(self._host)[0]
        if found.isName:
            self._failed(Failure(OSError(self._names.missing(found))))
            return
        host = found.host.replace(":", "\\:")
        text = _INTERFACE.sub(lambda _: host, self._description)
        self._listenAt(serverFromString(self._reactor, text))

    def _listening(self, port: Any) -> None:
        """The socket is there."""
        self._port = port
        self._report.emit(events.CONTROL, address=self._description)
        if not self.running:
            self._stop()

    def _failed(self, failure: Failure) -> None:
        """The socket cannot be had now."""
        self._report.emit(
            events.CONTROL_FAILED,
            address=self._description,
            reason=failure.getErrorMessage(),
        )
        if self.running:
            self._later = self._reactor.callLater(RETRY, self._listen)

    def stopService(self) -> Deferred[Any] | None:
        """
        Answer no more.

        @return: fires when the socket is closed.
        """
        super().stopService()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        return self._stop()

    def _stop(self) -> Deferred[Any] | None:
        """Give up the socket, if there is one."""
        port, self._port = self._port, None
        return None if port is None else maybeDeferred(port.stopListening)


def hostNameIn(description: str) -> Address | None:
    """
    Return the host name that an endpoint listens at, as an address; C{None} if it has
    none.
    """
    found = _INTERFACE.search(description)
    try:
        if found is not None:
            numeric(found[0], None, type=socket.SOCK_STREAM)
    except NameWanted:
        assert found is not None
        six = description.startswith("tcp6:")
        family = socket.AF_INET6 if six else socket.AF_INET
        return Address(family, found[0], isName=True)
    except (OSError, UnicodeError):
        pass  # Twisted reports what is wrong with it.
    return None
