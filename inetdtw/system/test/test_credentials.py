# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.credentials}."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.process import Credentials
from inetdtw.system.credentials import mismatch

_SLEEP = ["/bin/sleep", "60"]


class MismatchTests(SynchronousTestCase):
    """Tests for L{mismatch}."""

    if not os.path.exists("/proc/self/status"):
        skip = "there is no proc file system"

    def start(self, **given: Any) -> int:
        """
        Start a process.

        @return: its process id.
        """
        process = subprocess.Popen(_SLEEP, **given)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.pid

    def test_own(self) -> None:
        """A process that has changed nothing has the credentials of this one."""
        self.assertIsNone(mismatch(self.start(), None))

    def test_another(self) -> None:
        """All credentials of another user's process must be that user's."""
        if os.geteuid() != 0:
            self.skipTest("only root can become another user")
        pid = self.start(user=65534, group=65533, extra_groups=[9, 8, 65533])
        self.assertIsNone(mismatch(pid, Credentials(65534, 65533, (8, 65533, 9, 8))))
        reason = mismatch(pid, Credentials(65532, 65533, (8, 65533, 9)))
        ids = "its Uid is '65534 65534 65534 65534', not "
        self.assertEqual(reason, ids + "'65532 65532 65532 65532'")
        reason = mismatch(pid, Credentials(65534, 65534, (8, 65533, 9)))
        self.assertIn("its Gid is '65533 ", str(reason))
        reason = mismatch(pid, Credentials(65534, 65533, (8, 9)))
        self.assertEqual(reason, "its Groups is '8 9 65533', not '8 9'")
        self.assertIn("its Uid is ", str(mismatch(pid, None)))

    def test_unknown(self) -> None:
        """A process without known credentials has no mismatch."""
        self.assertIsNone(mismatch((1 << 22) + 5, Credentials(1, 1, ())))
        self.patch(os, "readlink", lambda path: "1234567")
        self.assertIsNone(mismatch(self.start(), Credentials(1, 1, ())))
