# -*- test-case-name: inetdtw.cli.test.test_service -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The service that C{inetd} and C{twistd inetd} run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from twisted.application.service import IService, MultiService

from inetdtw.cli.options import ServiceOptions
from inetdtw.config.loader import nothingToServe
from inetdtw.control.path import NONE, pathOf
from inetdtw.daemon import sdnotify
from inetdtw.daemon.init import OrphanReaper
from inetdtw.daemon.signals import ReloadOnHangup, StateOnUser2, handleSignals, stop
from inetdtw.log.report import Report
from inetdtw.log.stream import unblockStreams
from inetdtw.log.systemlog import unblockSyslog
from inetdtw.superserver import InetdService
from inetdtw.system.activation import Inherited
from inetdtw.system.clock import MonotonicClock
from inetdtw.text import absolute, environment, printable


class OptionError(SystemExit):
    """An option whose value turns out to be unusable when the service is made."""


def makeService(options: ServiceOptions) -> IService:
    """
    Return the service that C{inetd} and C{twistd inetd} run.

    Besides the superserver it handles signals, notifies a supervisor (sd_notify) and,
    as process 1, reaps orphans, which an application decides by itself.

    @raise SystemExit: if no service is configured.
    @raise OptionError: if an option cannot be used.
    """
    # Options of twistd(1) install it.
    from twisted.internet import reactor

    report = Report(
        options["log-level"], options["log-addresses"], burst=options["log-rate"]
    )
    handleSignals(report, reactor)
    unblockStreams(report)
    unblockSyslog(report)
    inetd = InetdService(
        options["conf"],
        settings=options.settings(),
        reactor=reactor,
        report=report,
        required=True,
        maxChildren=options["max-children"],
        inherited=Inherited.fromEnvironment(environment(), os.getpid()),
    )
    if not inetd.configuration.services:
        found = inetd.configuration.messages or (nothingToServe(options["conf"]),)
        problems = "".join(f"\n{each}" for each in found)
        files = ", ".join(map(printable, options["conf"]))
        raise SystemExit(f"inetd: nothing to serve in {files}{problems}")
    whole = MultiService()
    for each in _services(options, inetd, report, reactor):
        each.setServiceParent(whole)
    return whole


def _services(
    options: ServiceOptions, inetd: InetdService, report: Report, reactor: Any
) -> Iterator[IService]:
    """Yield all services, in the order in which they start."""
    yield MonotonicClock(reactor)
    yield from _control(options, inetd, report, reactor)
    yield from _metrics(options, inetd, report, reactor)
    yield ReloadOnHangup(inetd)
    yield StateOnUser2(inetd)
    if os.getpid() == 1:
        yield OrphanReaper(inetd)
    yield inetd
    address = sdnotify.addressOf(environment(), report)
    if address is not None:
        watchdog = sdnotify.watchdogInterval(os.environ, os.getpid())
        yield sdnotify.Notifications(inetd, address, watchdog, report=report)


def _control(
    options: ServiceOptions, inetd: InetdService, report: Report, reactor: Any
) -> Iterator[IService]:
    """
    Yield the control socket, unless there must be none.

    @raise OptionError: if its path cannot be used.
    """
    path, usual = pathOf(options["control"], environment(), os.geteuid())
    if path == NONE:
        return
    # They take memory, so they are imported only if needed.
    from inetdtw.control.api import OperatorAPI
    from inetdtw.control.server import ControlSocket

    try:
        path = absolute(path)
    except FileNotFoundError as why:
        raise OptionError(f"inetd: --control: {why.strerror}") from None
    api = OperatorAPI(inetd, lambda: stop(reactor))
    control = ControlSocket(
        *(api.respond, path, usual, report, reactor, inetd.descriptors)
    )
    inetd.alsoCheck(control.check)
    yield control


def _metrics(
    options: ServiceOptions, inetd: InetdService, report: Report, reactor: Any
) -> Iterator[IService]:
    """
    Yield the endpoint for metrics, if there is one.

    @raise OptionError: if it is not an endpoint.
    """
    endpoint = options["metrics"]
    if endpoint is None:
        return
    from inetdtw.control.api import respondToScrape
    from inetdtw.control.metricsendpoint import MetricsEndpoint

    respond = partial(respondToScrape, inetd.state)
    try:
        yield MetricsEndpoint(respond, endpoint, report, reactor, inetd.descriptors)
    except ValueError as why:
        raise OptionError(f"inetd: --metrics: {why}") from None
