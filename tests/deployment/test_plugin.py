# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Twisted has an C{inetd} command too: both of its runners have to pick ours."""

from __future__ import annotations

from itertools import permutations

from zope.interface.verify import verifyObject

from twisted.application.service import IServiceMaker
from twisted.application.twist._options import TwistOptions
from twisted.plugin import IPlugin
from twisted.plugins import twisted_inetdtw
from twisted.scripts._twistd_unix import ServerOptions
from twisted.trial.unittest import SynchronousTestCase

from inetdtw import tap
from tests.support import checkout


class PluginTests(SynchronousTestCase):
    """The plugin that declares the C{inetd} command."""

    def test_interfaces(self) -> None:
        """The plugin provides C{IServiceMaker}."""
        verifyObject(IPlugin, twisted_inetdtw.inetd)
        verifyObject(IServiceMaker, twisted_inetdtw.inetd)

    def test_attributes(self) -> None:
        """The plugin is called C{inetd}, and has what L{inetdtw.tap} makes."""
        maker = twisted_inetdtw.inetd
        self.assertEqual(maker.tapname, "inetd")
        self.assertEqual(maker.module, "inetdtw.tap")
        self.assertIn("inetd(8)", maker.description)
        self.assertIs(maker.options, tap.Options)
        self.assertIs(maker.makeService, tap.makeService)

    def test_name(self) -> None:
        """A dictionary finds its name by a plain string, and the other way round."""
        name = twisted_inetdtw.inetd.tapname
        self.assertEqual({name: 1}["inetd"], 1)
        self.assertEqual({"inetd": 1}[name], 1)

    def test_order(self) -> None:
        """Sorted in any order with other commands, it comes just before its equal."""
        name = twisted_inetdtw.inetd.tapname
        for names in permutations([name, "inetd", "conch", "inet", "web"]):
            ordered = sorted(names)
            self.assertEqual(ordered, ["conch", "inet", "inetd", "inetd", "web"])
            self.assertIs(ordered[2], name)


class RunnerTests(SynchronousTestCase):
    """Twisted's runners with two commands of one name."""

    def setUp(self) -> None:
        """Write a file that the command can read."""
        self.arguments = ["inetd", "--conf", f"{checkout.path()}/etc/inetd.conf"]

    def test_twistd(self) -> None:
        """C{twistd inetd} is ours."""
        config = ServerOptions()
        config.parseOptions(self.arguments)
        self.assertEqual(config.subCommand, "inetd")
        self.assertIsInstance(config.subOptions, tap.Options)
        self.assertIs(config.loadedPlugins["inetd"], twisted_inetdtw.inetd)

    def test_twist(self) -> None:
        """C{twist inetd} is ours."""
        config = TwistOptions()
        config.parseOptions(self.arguments)
        self.assertEqual(config.subCommand, "inetd")
        self.assertIsInstance(config.subOptions, tap.Options)
        self.assertIs(config.plugins["inetd"], twisted_inetdtw.inetd)

    def test_help(self) -> None:
        """C{twistd --help} lists the command once, with our description."""
        listed = str(ServerOptions())
        self.assertEqual(listed.count("\n    inetd "), 1)
        self.assertIn("An inetd(8) super-server.", listed)
