# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Virtual environments to install the package into, without the network.

They hold what is installed for the interpreter that runs the tests: Twisted, and what
builds a wheel.  The package itself is left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from twisted.python.filepath import FilePath

from tests.support import checkout, directories, interpreters

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase

#: Files of the package, wherever it is installed.
_OURS = ("*inetdtw*", "dropin.cache")

#: Options of pip that use only what is installed.
_OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation")

#: The commands that come with Twisted.
_COMMANDS = {
    "twistd": "from twisted.scripts.twistd import run",
    "twist": "from twisted.application.twist._twist import Twist; run = Twist.main",
}


class Installation:
    """
    A copy of the checkout, and a virtual environment without a link to it.

    @ivar checkout: the path of the copy.
    @ivar bin: the directory of the environment's programs.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        """@param test: everything is removed when it ends."""
        directory = directories.publicDirectory(test)
        self.checkout = os.path.join(directory, "checkout")
        checkout.copyTo(self.checkout)
        prefix = os.path.join(directory, "env")
        self.bin = os.path.join(prefix, "bin")
        run(sys.executable, "-m", "venv", "--without-pip", prefix)
        where = "import sysconfig; print(sysconfig.get_path('purelib'), end='')"
        interpreters.copyPackages(self.run("python", "-c", where), *_OURS)
        for name, code in _COMMANDS.items():
            self._writeCommand(name, code)

    def _writeCommand(self, name: str, code: str) -> None:
        """Write a program as pip does for a package."""
        (python,) = self.command("python")
        script = FilePath(self.bin).child(name)
        script.setContent(f"#!{python}\n{code}\nrun()\n".encode())
        script.chmod(0o755)

    def command(self, name: str, *arguments: str) -> list[str]:
        """Return the command line of a program of the environment."""
        return [os.path.join(self.bin, name), *arguments]

    def environment(self, **more: str) -> dict[str, str]:
        """Return variables that add nothing to what is installed there."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        env.update(PATH=f"{self.bin}:{os.environ['PATH']}", INETD_CONTROL="none")
        return {**env, **more}

    def run(self, name: str, *arguments: str) -> str:
        """Run a program of the environment in the checkout; return its output."""
        return run(
            *self.command(name, *arguments),
            cwd=self.checkout,
            env=self.environment(),
        )

    def pip(self, command: str, *arguments: str) -> None:
        """Install or build the package with pip."""
        self.run("python", "-m", "pip", command, *_OFFLINE, *arguments)

    def installWheel(self) -> None:
        """Install a wheel; remove the sources, so that they cannot be what runs."""
        self.pip("install", self.wheel())
        for name in ("inetdtw", "twisted"):
            FilePath(self.checkout).child(name).remove()

    def wheel(self) -> str:
        """Build a wheel, and return its path."""
        self.pip("wheel", "--wheel-dir=dist", ".")
        return self._built()

    def sdist(self) -> str:
        """Build a source distribution, and return its path."""
        build = "from setuptools import build_meta; build_meta.build_sdist('dist')"
        self.run("python", "-c", build)
        return self._built()

    def _built(self) -> str:
        """Return the path of the one file that was built."""
        (file,) = FilePath(self.checkout).child("dist").children()
        return file.path


def run(*argv: str, cwd: str | None = None, env: dict[str, str] | None = None) -> str:
    """
    Run a command and return what it printed.

    @raise AssertionError: when it fails, with everything that it printed.
    """
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{argv} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
