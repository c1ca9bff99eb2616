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
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.python.failure import Failure

from inetdtw.control.api import Respond
from inetdtw.control.http import Site
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.address import Address
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.hostnames import HostNames, NameWanted, numeric
from inetdtw.system.timer import Timer

#: The host in the description of an endpoint, unless it is an IPv6 address.
_INTERFACE = re.compile(r"(?<=:interface=)[^:\\]+")
#: Seconds between attempts to listen.
RETRY = 10.0
#: What serverFromString() raises: for wrong words, missing libraries, unreadable files.
_ERRORS = (ValueError, TypeError, KeyError, IndexError, ImportError, OSError)


class MetricsEndpoint(Service):
    """
    Serves the API on any endpoint of Twisted.

    If it cannot listen, the daemon serves without it, and it tries again.
    """

    name = "inetd metrics"

    def __init__(
        self,
        respond: Respond,
        description: str,
        report: Report,
        reactor: Any,
        descriptors: Descriptors,
    ) -> None:
        """
        Parse the description.

        @param description: as in C{tcp:9100:interface=127.0.0.1}.
        @param descriptors: the account of all file descriptors of this process.

        @raise ValueError: if that is not the description of an endpoint.
        """
        self._description = description
        self._report = report
        self._reactor = reactor
        account = DescriptorAccount(descriptors, Purpose.METRICS, "", each=1)
        self._site = Site(respond, account)
        try:
            self._endpoint = serverFromString(reactor, description)
        except _ERRORS as why:
            raise ValueError(f"'{description}' is not an endpoint: {why}") from None
        self._host = hostNameIn(description)
        self._names = HostNames(lambda: reactor.callFromThread(self._lookedUp))
        self._port: IListeningPort | None = None
        self._retry = Timer(reactor)

    def startService(self) -> None:
        """Serve."""
        super().startService()
        self._listen()

    def _listen(self) -> None:
        if self._host is not None:
            # Twisted would block during the look-up.
            self._names.ask((self._host.host,))
        else:
            self._listenAt(self._endpoint)

    def _listenAt(self, endpoint: IStreamServerEndpoint) -> None:
        listening = maybeDeferred(endpoint.listen, self._site)
        listening.addCallbacks(self._listening, self._failed)

    def _lookedUp(self) -> None:
        """Listen at the address that the host name has."""
        self._names.collect()
        waiting = self.running and not (self._port or self._retry.active)
        if self._host is None or not waiting:
            return
        found = self._names.at(self._host)[0]
        if found.isName:
            self._failed(Failure(OSError(self._names.missing(found))))
            return
        host = found.host.replace(":", "\\:")
        text = _INTERFACE.sub(lambda _: host, self._description)
        self._listenAt(serverFromString(self._reactor, text))

    def _listening(self, port: IListeningPort) -> None:
        self._port = port
        self._report.emit(events.CONTROL, address=self._description)
        if not self.running:
            self._close()

    def _failed(self, failure: Failure) -> None:
        """Log why it cannot listen, and try again later."""
        address, reason = self._description, failure.getErrorMessage()
        self._report.emit(events.CONTROL_FAILED, address=address, reason=reason)
        if self.running:
            self._retry.start(RETRY, self._listen)

    def stopService(self) -> Deferred[Any] | None:
        """
        Close the socket.

        @return: fires when that is done.
        """
        super().stopService()
        self._retry.cancel()
        return self._close()

    def _close(self) -> Deferred[Any] | None:
        port, self._port = self._port, None
        return None if port is None else maybeDeferred(port.stopListening)


def hostNameIn(description: str) -> Address | None:
    """Return the host name that an endpoint listens at, if it has one."""
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
