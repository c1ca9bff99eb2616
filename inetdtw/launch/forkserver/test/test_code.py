# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.forkserver.code}."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import ModuleSpec

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.launch.forkserver import code
from inetdtw.launch.forkserver.code import BOOT, MODULES, Code, codeOf


class CodeTests(SynchronousTestCase):
    """Tests for the code of a fork server, and for L{BOOT}."""

    def boot(self, code: Code, sent: bytes) -> str:
        """
        Start a fork server.

        @param sent: what it reads.

        @return: the last line that it writes to its standard error.
        """
        command = [sys.executable, "-I", "-S", "-c", BOOT, *code.arguments(), "x=1"]
        done = subprocess.run(
            command, input=sent, capture_output=True, env={}, check=False
        )
        self.assertEqual(done.returncode, 1)
        return done.stderr.decode().strip().rpartition("\n")[2]

    def test_runs(self) -> None:
        """The fork server runs the code that it reads, with its further arguments."""
        code = codeOf(*MODULES)
        message = self.boot(code, code.data)
        wanted = "ValueError: the context has 'x=1', which is unknown or repeated"
        self.assertEqual(message, wanted)

    def test_another(self) -> None:
        """Code of another version, or of another Python's, is not run."""
        code = codeOf(*MODULES)
        wanted = f"'{sys.executable}' is not the Python of the daemon: restart"
        other = Code(code.data, f"{int(code.version, 16) ^ 1:016x}")
        self.assertIn(wanted, self.boot(other, code.data))
        self.assertIn(wanted, self.boot(code, b"x" + code.data[1:]))

    def test_short(self) -> None:
        """A fork server does not run a part of the code, when the daemon was killed."""
        code = codeOf(*MODULES)
        self.assertEqual(self.boot(code, code.data[:-1]), "the daemon has ended")

    def test_version(self) -> None:
        """The version is another one for other code."""
        self.assertEqual(codeOf("protocol"), codeOf("protocol"))
        self.assertNotEqual(codeOf("protocol").version, codeOf("spawn").version)

    def test_none(self) -> None:
        """A module without code is an error of the installation."""
        self.patch(code, "find_spec", lambda name: ModuleSpec(name, None))
        self.assertRaises(ImportError, codeOf, "protocol")
