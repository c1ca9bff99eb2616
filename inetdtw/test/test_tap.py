# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.tap}."""

from __future__ import annotations

import io
import sys
from typing import Any

from twisted.application.service import MultiService
from twisted.trial.unittest import SynchronousTestCase

from inetdtw import NothingToServe, tap
from inetdtw.cli import service


class MakeServiceTests(SynchronousTestCase):
    """Tests for L{tap.makeService}."""

    def setUp(self) -> None:
        """Replace the service, and restore the exception hook."""
        self.output = io.StringIO()
        self.hooked: list[Any] = []
        self.made = MultiService()
        self.patch(service, "makeService", lambda options: self.made)
        self.patch(sys, "__stderr__", self.output)
        self.patch(sys, "__excepthook__", lambda *about: self.hooked.append(about))
        self.patch(sys, "excepthook", sys.__excepthook__)

    def test_hook(self) -> None:
        """L{NothingToServe} is printed without a traceback, others with one."""
        self.assertIs(tap.makeService(tap.Options()), self.made)
        tap.makeService(tap.Options())
        sys.excepthook(NothingToServe, NothingToServe("no port is free"), None)
        self.assertEqual(self.output.getvalue(), "inetd: no port is free\n")
        bug = ValueError()
        sys.excepthook(ValueError, bug, None)
        self.assertEqual(self.hooked, [(ValueError, bug, None)])

    def test_other(self) -> None:
        """Another exception hook is kept."""
        hook = lambda *about: None  # noqa: E731
        sys.excepthook = hook
        tap.makeService(tap.Options())
        self.assertIs(sys.excepthook, hook)
