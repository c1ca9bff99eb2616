# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.service}."""

from __future__ import annotations

import os
from typing import Any

from zope.interface.verify import verifyObject

from twisted.application.service import IService
from twisted.trial.unittest import SynchronousTestCase

from inetdtw import InetdService
from inetdtw.cli import service
from inetdtw.cli.options import ServiceOptions
from inetdtw.daemon.init import OrphanReaper
from inetdtw.daemon.sdnotify import Notifications
from inetdtw.daemon.signals import ReloadOnHangup, StateOnUser2
from inetdtw.system.clock import MonotonicClock


class MakeServiceTests(SynchronousTestCase):
    """Tests for L{makeService}."""

    def setUp(self) -> None:
        """Choose the path of the configuration, and be another process than 1."""
        self.patch(os, "getpid", lambda: 77)
        self.path = os.path.abspath(self.mktemp())
        self.write("127.0.0.1:0 stream tcp nowait - /bin/cat cat\n")
        self.patch(os, "environ", {**os.environ, "INETD_CONTROL": "none"})
        self.taken: list[Any] = []
        self.patch(service, "handleSignals", lambda *given: self.taken.append(given))
        self.patch(service, "unblockStreams", self.taken.append)
        self.patch(service, "unblockSyslog", self.taken.append)

    def write(self, text: str) -> None:
        """Write the file."""
        with open(self.path, "w") as file:
            file.write(text)

    def make(self, *arguments: str) -> Any:
        """Return the service of a command line."""
        options = ServiceOptions()
        options.parseOptions(["--conf", self.path, *arguments])
        return service.makeService(options)

    def inetd(self, *arguments: str) -> InetdService:
        """Return the superserver in it."""
        inetd = self.make(*arguments).getServiceNamed("inetd")
        assert isinstance(inetd, InetdService)
        return inetd

    def test_services(self) -> None:
        """The clock and the signal handlers start before the superserver."""
        whole = self.make()
        verifyObject(IService, whole)
        clock, reloads, state, inetd = list(whole)
        self.assertIsInstance(clock, MonotonicClock)
        self.assertIsInstance(reloads, ReloadOnHangup)
        self.assertIsInstance(state, StateOnUser2)
        self.assertIsInstance(inetd, InetdService)
        self.assertEqual(len(self.taken), 3)

    def test_supervisor(self) -> None:
        """A supervisor is notified after the start of the superserver."""
        self.patch(os, "environ", {**os.environ, "NOTIFY_SOCKET": "/run/notify"})
        *_, inetd, notifications = list(self.make())
        self.assertIsInstance(inetd, InetdService)
        self.assertIsInstance(notifications, Notifications)

    def test_first(self) -> None:
        """Process 1 waits for orphans."""
        self.assertNotIn(OrphanReaper, [type(each) for each in self.make()])
        self.patch(os, "getpid", lambda: 1)
        self.assertIn(OrphanReaper, [type(each) for each in self.make()])

    def test_control(self) -> None:
        """The control socket is set by the option, or else by the variable."""
        for path in ("/option", "none"):
            names = [each.name for each in self.make("--control", path)]
            self.assertEqual("inetd control" in names, path != "none", path)
        self.patch(os, "environ", {"INETD_CONTROL": "/variable"})
        self.assertIn("inetd control", [each.name for each in self.make()])
        self.patch(os, "environ", {})
        self.assertIn("inetd control", [each.name for each in self.make()])

    def test_metrics(self) -> None:
        """The option sets the endpoint of the metrics; another string is an error."""
        names = [each.name for each in self.make("--metrics", "tcp:0")]
        self.assertIn("inetd metrics", names)
        why = self.assertRaises(service.OptionError, self.make, "--metrics", "9100")
        self.assertIn("--metrics: '9100' is not an endpoint", str(why))

    def test_settings(self) -> None:
        """The options are the defaults of services."""
        (found,) = self.inetd().configuration.services
        self.assertEqual(
            (found.options.backlog, found.bounds.serviceMax, found.launch),
            (128, 0, "forkserver"),
        )
        inetd = self.inetd("-q", "7", "-R", "30", "--launch", "direct")
        (found,) = inetd.configuration.services
        self.assertEqual(
            (found.options.backlog, found.bounds.serviceMax, found.launch),
            (7, 30, "direct"),
        )

    def test_lineWins(self) -> None:
        """A key of a line takes precedence over the options."""
        self.write("127.0.0.1:0 stream tcp nowait.5 - /bin/cat cat\n")
        (found,) = self.inetd("-R", "30").configuration.services
        self.assertEqual(found.bounds.serviceMax, 5)

    def test_nothing(self) -> None:
        """When no service is configured, the message has the errors."""
        self.write("7 stream udp nowait - internal\n")
        why = self.assertRaises(SystemExit, self.make)
        self.assertIn(f"nothing to serve in {self.path}", str(why))
        self.assertIn(f"{self.path}:1:", str(why))

    def test_comments(self) -> None:
        """When all lines are comments, the message says so."""
        self.write("# a\n#7 stream tcp nowait - /bin/cat cat\n")
        why = str(self.assertRaises(SystemExit, self.make))
        self.assertIn(f"nothing to serve in {self.path}\n{self.path}:1:1: file", why)
        self.assertIn("all 2 lines are comments; remove the '#'", why)

    def test_noFile(self) -> None:
        """A missing file is an error."""
        os.unlink(self.path)
        why = self.assertRaises(SystemExit, self.make)
        self.assertIn("cannot be read", str(why))

    def test_some(self) -> None:
        """Lines with errors are skipped."""
        self.write(
            "7 stream udp nowait - internal\n"
            "127.0.0.1:0 stream tcp nowait - internal echo\n"
        )
        self.assertEqual(len(self.inetd().configuration.services), 1)
