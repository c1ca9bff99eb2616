# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Arguments and environments that are larger than a packet."""

from __future__ import annotations

from tests.support.context import WAYS, ContextTestCase
from tests.support.daemon import environment, freePort, talk


class LargeTests(ContextTestCase):
    """Arguments and environments that are larger than a packet."""

    #: Says how long its environment is.
    SIZES = "import os\nprint(sum(map(len, os.environb.values())))\n"

    def lengths(self, count: int, *keys: str) -> tuple[list[bytes], str]:
        """
        Have a daemon with so many variables of 100,000 bytes.

        @return: what programs find of them, by launcher, and the log.
        """
        program = self.program("sizes", self.SIZES)
        large = {f"LARGE{number}": "x" * 100_000 for number in range(count)}
        ports = [freePort() for _ in WAYS]
        passed = f"passenv = PATH {' '.join(large)}"
        first = f"protocol = tcp, wait = no, user = -, exec = {program}, {passed}"
        conf = "".join(
            f"{port} on {', '.join((first, *way, *keys))};\n"
            for port, way in zip(ports, WAYS)
        )
        env = {**environment(PATH="/usr/bin:/bin"), **large}
        with self.daemon(conf, *ports, env=env) as daemon:
            answers = [talk(port, b"") for port in ports]
            if b"" in answers:
                daemon.waitForLog("start-failed ", len(ports))
        return answers, daemon.log()

    def test_environment(self) -> None:
        """An environment may be as large as execve(2) takes."""
        for count in (3, 19):
            answers, _ = self.lengths(count)
            for each in answers:
                self.assertGreater(int(each), count * 100_000)
                self.assertLess(int(each), count * 100_000 + 1000)

    def test_tooLarge(self) -> None:
        """An environment that execve(2) rejects draws a log line for each client."""
        answers, log = self.lengths(20, f"env = A={'y' * 120_000}")
        self.assertEqual(answers, [b""] * 3)
        self.assertEqual(log.count("Argument list too long"), 3)
        self.assertEqual(log.count(" start-failed "), 3)
