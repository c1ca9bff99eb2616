# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Running the tests against one mutant, in a copy of the checkout."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import IO

from tests.mutants.areas import AREAS
from tests.mutants.mutations import Mutant, fileOf

#: The seconds that tests have: those of units, and the black-box tests of an area.
UNIT_LIMIT, BLACK_BOX_LIMIT = 300, 900
#: The most bytes of memory of a process: a mutant may fill it for ever.
_MEMORY = 8 << 30
#: The most lines of output that say why tests fail.
_PRINTED = 30
#: What of a checkout is not copied.
_LEFT = shutil.ignore_patterns(
    ".git", ".venv", "_trial_temp*", "__pycache__", ".*_cache"
)

#: Two changes of a file within a second and of one size share their byte code.
_NO_BYTECODE = {"PYTHONDONTWRITEBYTECODE": "1"}


class Copy:
    """A copy of the checkout, in which one mutant after the other is tested."""

    def __init__(self, checkout: Path, copy: Path) -> None:
        """@param copy: where it is made; there must be nothing."""
        shutil.copytree(checkout, copy, ignore=_LEFT)
        # Services of other users read it.
        copy.chmod(0o755)
        self._root = copy

    def check(self) -> None:
        """
        Run the unit tests without a mutant.

        @raise SystemExit: if they fail, with the end of what they print.
        """
        with tempfile.TemporaryFile() as output:
            if not self._passes(["inetdtw"], UNIT_LIMIT, output):
                output.seek(0)
                last = output.read().decode(errors="replace").splitlines()[-_PRINTED:]
                why = "the unit tests fail without a mutant"
                raise SystemExit("\n".join((*last, f"{why}: see above")))

    def kills(self, mutant: Mutant, blackBox: bool) -> str:
        """
        Run tests until one fails that did not fail without the mutant.

        @param mutant: the change.
        @param blackBox: whether to run black-box tests, if no unit test fails.

        @return: the kind of tests that failed, or an empty string.
        """
        path = self._root / fileOf(mutant.module)
        source = path.read_bytes()
        path.write_bytes(mutant.apply(source))
        try:
            return self._killedBy(mutant.module, blackBox)
        finally:
            path.write_bytes(source)

    def _killedBy(self, module: str, blackBox: bool) -> str:
        """Run the tests of a module, then all unit tests, then black-box tests."""
        package, _, name = f"inetdtw.{module}".rpartition(".")
        own = f"{package}.test.test_{name.lstrip('_')}"
        exists = (self._root / f"{own.replace('.', '/')}.py").exists()
        for names in ([own] if exists else [], ["inetdtw"]):
            if names and not self._passes(names, UNIT_LIMIT):
                return "unit"
        if blackBox:
            for area in dict.fromkeys(AREAS[module]):
                tests = f"tests.{area.replace('.', '.test_')}"
                if not self._passes([tests], BLACK_BOX_LIMIT):
                    return tests
        return ""

    def _passes(
        self, names: Sequence[str], limit: int, output: IO[bytes] | int = DEVNULL
    ) -> bool:
        """Return whether tests pass within C{limit} seconds."""
        command = [sys.executable, "-m", "twisted.trial", "-x", *names]
        with subprocess.Popen(
            command,
            cwd=self._root,
            env={**os.environ, "PYTHONPATH": str(self._root), **_NO_BYTECODE},
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            preexec_fn=_bounded,
        ) as process:
            try:
                return process.wait(limit) == 0
            except subprocess.TimeoutExpired:
                return False
            finally:
                _end(process.pid)


def _bounded() -> None:
    """Bound the memory of the tests, and make them a process group."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _end(group: int) -> None:
    """Kill what is left of a process group."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass  # Nothing to do.
