# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case that has programs."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.process import Credentials

#: An account that owns no file, in a group that no other account is in.
STRANGER = Credentials(54321, 54321, (54321,))
ROOT = Credentials(0, 0, (0,))


class ProgramCase(SynchronousTestCase):
    """A test with programs in directories that all users can reach."""

    def setUp(self) -> None:
        """Make a directory that all users can read."""
        self.addCleanup(os.umask, os.umask(0o022))
        self.directory = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o755)
        above = os.path.dirname(self.directory)
        while above != os.path.dirname(above):
            if not os.stat(above).st_mode & stat.S_IXOTH:
                raise SkipTest(f"other users cannot reach {self.directory}")
            above = os.path.dirname(above)

    def path(self, name: str) -> str:
        """Return the path of a file."""
        return os.path.join(self.directory, name)

    def write(self, name: str, mode: int = 0o755) -> str:
        """Make a program, and the directories that it is in."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, mode)
        return path
