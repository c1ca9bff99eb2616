# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A program in a terminal, to which a test types."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time

from tests.support.daemon import DEADLINE, environment


class Typed:
    """A program in a terminal."""

    def __init__(self, argv: list[str], **variables: str) -> None:
        """@param variables: of its environment."""
        self._argv = argv
        self._variables = variables
        self._seen = ""

    def __enter__(self) -> Typed:
        """Start it."""
        self._terminal, end = pty.openpty()
        env = environment(
            None,
            **{"TERM": "dumb", "PS1": "", "INPUTRC": "/dev/null", **self._variables},
        )
        self._process = subprocess.Popen(
            self._argv,
            stdin=end,
            stdout=end,
            stderr=end,
            env=env,
            start_new_session=True,
        )
        os.close(end)
        return self

    def __exit__(self, *ignored: object) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        os.close(self._terminal)

    def write(self, text: str) -> None:
        """Type something."""
        os.write(self._terminal, text.encode())

    def forget(self) -> str:
        """Return what the terminal has shown, and forget it."""
        seen, self._seen = self._seen, ""
        return seen

    def waitFor(self, text: str) -> None:
        """Wait until the terminal shows something."""
        deadline = time.monotonic() + DEADLINE
        while text not in self._seen.replace("\a", ""):
            left = max(0, deadline - time.monotonic())
            if not select.select([self._terminal], [], [], left)[0]:
                raise AssertionError(f"{text!r} is not in {self._seen!r}")
            self._seen += os.read(self._terminal, 65536).decode()
