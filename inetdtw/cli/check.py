# -*- test-case-name: inetdtw.cli.test.test_check -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{--check}: print all errors and warnings in configuration files, with their lines.

Files are parsed and names looked up as for the daemon; no socket is opened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from inetdtw.cli.findings import printFindings, summary
from inetdtw.cli.output import out
from inetdtw.config import loader
from inetdtw.config.loader import Configuration
from inetdtw.model.errors import ConfWarning, DuplicateService, Finding
from inetdtw.model.service import Settings
from inetdtw.system.hostnames import CHECK_WAIT, HostNames
from inetdtw.system.lookups import Lookups


def check(paths: Sequence[str], settings: Settings, ask: Lookups) -> bool:
    """
    Print the errors and warnings in files, and in directories of such files.

    @return: whether there is no error.
    """
    names = HostNames()
    configuration = loader.load(paths, settings, ask)
    names.ask(configuration.names)
    names.wait(CHECK_WAIT)
    configuration = configuration.withAddresses(names.at)
    errors, warnings = _divided(configuration)
    warnings += _unresolved(configuration, names)
    if not configuration.services and not errors:
        errors = [loader.nothingToServe(paths)]
    others = [each for each in errors if each not in configuration.problems]
    printFindings([*configuration.messages, *others], warnings)
    services = len(configuration.services)
    out(summary(service=services, error=len(errors), warning=len(warnings)))
    return not errors


def _divided(configuration: Configuration) -> tuple[list[Finding], list[ConfWarning]]:
    """
    Return errors and warnings.

    Two lines for the same socket are an error here, because one is not served.
    """
    warnings = configuration.warnings
    others = [each for each in warnings if not isinstance(each, DuplicateService)]
    return list(configuration.leftOut), others


def _unresolved(
    configuration: Configuration, names: HostNames
) -> Iterator[ConfWarning]:
    """Warn of each service whose host name has no address."""
    for service in configuration.services:
        if service.address.isName:
            reason = f"{names.missing(service.address)}: the daemon retries"
            yield ConfWarning(service.location, "bind", reason)
