# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
However the package is installed, its commands serve C{etc/inetd.conf}.

Each test has an environment and a copy of the checkout of its own.  The daemon runs in
that copy, so that the relative C{etc/inetd.conf} is the shipped one.  Its ports are
replaced by free ones, except in the one test that runs it untouched if it can.
"""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
from typing import TYPE_CHECKING

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from tests.support.daemon import Daemon, freePort, portIsTaken, talk
from tests.support.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Callable

#: The port number that begins a line of the shipped file.
_PORT = re.compile(rb"^\d+(?= )", re.MULTILINE)

#: The port of the service that answers in lower case, in the shipped file.
_LOWER = 21000

#: What is put beside the packages.
_SHARED = (
    "share/man/man5/inetd.conf.5",
    "share/man/man8/inetd.8",
    "share/bash-completion/completions/inetd",
    "share/fish/vendor_completions.d/inetd.fish",
    "share/inetdtw/clients.schema.json",
    "share/inetdtw/health.schema.json",
    "share/inetdtw/status.schema.json",
    "share/zsh/site-functions/_inetd",
)

_CONF = ("--conf", "etc/inetd.conf")
_TWISTD = ("twistd", "-n", "--pidfile=", "inetd", *_CONF)


class InstallTests(SynchronousTestCase):
    """The commands of each kind of installation."""

    def setUp(self) -> None:
        """Make a virtual environment with Twisted, and without the package."""
        self.installation = Installation(self)
        self.conf = FilePath(self.installation.checkout).descendant(
            ["etc", "inetd.conf"]
        )

    def replacePorts(
        self, replaced: Callable[[int], bool] = lambda port: True
    ) -> dict[int, int]:
        """
        Replace ports of the copy of the shipped file by free ones.

        @param replaced: returns whether a port is replaced.
        @return: the new ports by the old ones.
        """
        text = self.conf.getContent()
        old = {int(port) for port in _PORT.findall(text)}
        ports = {port: freePort() if replaced(port) else port for port in old}
        new = _PORT.sub(lambda match: b"%d" % ports[int(match.group())], text)
        self.conf.setContent(new)
        return ports

    def assertServes(
        self, ports: dict[int, int], *command: str, **variables: str
    ) -> None:
        """
        Assert that a command of the environment serves the copy of the shipped file.

        It listens on all ports, and one of them answers in lower case.
        """
        with Daemon(
            self.installation.command(*command),
            ports=ports.values(),
            env=self.installation.environment(**variables),
            cwd=self.installation.checkout,
        ):
            answer = talk(ports[_LOWER], b"wEjLu\nUikO\n")
        self.assertEqual(answer, b"wejlu\nuiko\n")

    def test_checkout(self) -> None:
        """
        C{PYTHONPATH=. twistd inetd} in a bare checkout serves the file as shipped.

        Only a port that something else on this machine listens on is replaced.
        """
        ports = self.replacePorts(portIsTaken)
        self.assertServes(ports, *_TWISTD, PYTHONPATH=".")

    def test_editable(self) -> None:
        """After C{pip install -e .}, C{twistd inetd} is ours."""
        self.installation.pip("install", "--editable", ".")
        self.assertServes(self.replacePorts(), *_TWISTD)

    def test_wheel(self) -> None:
        """
        An installed wheel adds the commands and files, and pip removes them all.

        C{twistd inetd} and C{twist inetd} are those of the package, C{python -m
        inetdtw} and C{inetd} are the daemon, and man pages and completions are in the
        environment's C{share}. After C{pip uninstall}, Twisted's own command is back.
        """
        before = self.installation.run("twistd", "--help")
        self.installation.installWheel()
        ports = self.replacePorts()
        served = ("-f", "-e", "etc/inetd.conf")
        for command in (
            _TWISTD,
            ("twist", "inetd", *_CONF),
            ("python", "-m", "inetdtw", *served),
            ("inetd", *served),
        ):
            self.assertServes(ports, *command)
        prefix = os.path.dirname(self.installation.bin)
        shared = [os.path.join(prefix, name) for name in _SHARED]
        self.assertEqual([path for path in shared if not os.path.exists(path)], [])
        self.assertIn("super-server", self.installation.run("twistd", "--help"))
        self.installation.run("python", "-m", "pip", "uninstall", "--yes", "inetdtw")
        self.assertEqual(self.installation.run("twistd", "--help"), before)
        self.assertEqual([path for path in shared if os.path.exists(path)], [])


class DistributionTests(SynchronousTestCase):
    """The files that are published."""

    def test_wheel(self) -> None:
        """
        A wheel has the package, its tests, the plugin, man pages and completions.

        It has nothing else of Twisted.
        """
        installation = Installation(self)
        with zipfile.ZipFile(installation.wheel()) as wheel:
            files = {
                name: wheel.read(name)
                for name in wheel.namelist()
                if ".dist-info/" not in name
            }
        data = {name for name in files if ".data/data/" in name}
        shared = {name.partition(".data/data/")[2]: files[name] for name in data}
        names = files.keys() - data
        plugin = "twisted/plugins/twisted_inetdtw.py"
        wanted = {"inetdtw/py.typed", "inetdtw/test/__init__.py", plugin}
        self.assertEqual(wanted - names, set())
        self.assertEqual({n for n in names if not n.startswith("inetdtw/")}, {plugin})
        self.assertEqual(set(shared), set(_SHARED))
        for name, content in shared.items():
            path = FilePath(installation.checkout).descendant(name.split("/"))
            self.assertEqual(content, path.getContent())

    def test_sdist(self) -> None:
        """A source distribution has all that a checkout needs to pass its tests."""
        with tarfile.open(Installation(self).sdist()) as sdist:
            names = {name.partition("/")[2] for name in sdist.getnames()}
        wanted = {
            *("LICENSE", "README.rst", "etc/inetd.conf", "examples/lower.py"),
            *(
                "tests/__init__.py",
                "tests/support/daemon.py",
                "tests/deployment/test_install.py",
            ),
            *("docs/conf.py", "docs/man/inetd.8.rst"),
            "twisted/plugins/twisted_inetdtw.py",
            *_SHARED,
        }
        self.assertEqual(wanted - names, set())
        self.assertNotIn("twisted/plugins/__init__.py", names)
