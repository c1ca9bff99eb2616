# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A copy of the package and of the way to an interpreter, for tests of upgrades."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tests.support import checkout, directories, interpreters
from tests.support.daemon import Daemon, environment, twistd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twisted.trial.unittest import SynchronousTestCase


class Upgraded:
    """
    An installation that is replaced in place.

    @ivar directory: the directory that has the package.
    @ivar python: the interpreter, a symbolic link.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        """Install a copy of the package, and of the way to an interpreter."""
        directory = directories.publicDirectory(test)
        self.directory = os.path.join(directory, "installed")
        checkout.copyTo(self.directory)
        os.mkdir(os.path.join(directory, "bin"))
        self.python = os.path.join(directory, "bin", "python3")
        os.symlink(interpreters.python(), self.python)
        environ = os.path.dirname(os.path.dirname(interpreters.python()))
        for name in ("pyvenv.cfg", "lib"):
            if os.path.exists(os.path.join(environ, "pyvenv.cfg")):
                os.symlink(os.path.join(environ, name), os.path.join(directory, name))

    def daemon(self, conf: str, *ports: int, options: Sequence[str] = ()) -> Daemon:
        """
        Return a C{twistd inetd} of this installation.

        @param conf: the path of its configuration.
        """
        env = environment(PYTHONPATH=self.directory)
        argv = [self.python, *twistd("inetd", "--conf", conf, *options)[1:]]
        return Daemon(argv, ports=ports, env=env, cwd=self.directory)

    def replace(self, changes: Mapping[str, str]) -> int:
        """
        Replace a string in all modules of the package.

        @return: how many have it.
        """
        count = 0
        for directory, _, names in os.walk(os.path.join(self.directory, "inetdtw")):
            shutil.rmtree(os.path.join(directory, "__pycache__"), ignore_errors=True)
            for path in (os.path.join(directory, name) for name in sorted(names)):
                if not path.endswith(".py"):
                    continue
                with open(path, encoding="utf-8") as file:
                    text = before = file.read()
                for old, new in changes.items():
                    text = text.replace(old, new)
                count += text != before
                with open(f"{path}.new", "w", encoding="utf-8") as file:
                    file.write(text)
                os.rename(f"{path}.new", path)
        return count

    def relink(self, target: str | None) -> None:
        """
        Have another interpreter.

        @param target: its path; C{None} for none.
        """
        if target is None:
            os.unlink(self.python)
            return
        os.symlink(target, f"{self.python}.new")
        os.rename(f"{self.python}.new", self.python)
