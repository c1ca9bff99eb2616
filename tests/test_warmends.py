# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A warm start ends as a cold one does: what the client gets, the exit status and what is
in files are the same, whatever the script does, with every interpreter that is here.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from tests.daemon import environment, eventually, freePort, talk
from tests.interpreters import pythons
from tests.serving import ServingTestCase
from tests.warmscripts import MODULE, SCRIPTS, SENT

if TYPE_CHECKING:
    from tests.daemon import Daemon

#: What is different each time.
_OWN = re.compile(rb"0x[0-9a-f]+|Thread-\d+|pid=\d+|tmp\w{8}|process \d+")
_END = r"end {} pid=\d+ peer=127.0.0.1:\d+ (\S+)"

Ended = tuple[bytes, str, "str | None"]


class EndsTests(ServingTestCase):
    """
    Serve one script warm and cold, and have it be another each time.
    """

    def services(self, python: str, args: str) -> str:
        """
        The script as a warm and as a cold service.
        """
        self.warm, self.cold = freePort(), freePort()
        what = f"directory = {self.folder}, exec = {python}, args = {python} {args}"
        return "".join(
            f"127.0.0.1:{port} on protocol = tcp, wait = no, user = -, id = {name}, "
            f"warm = {warm}, {what};\n"
            for port, name, warm in ((self.warm, "w", "yes"), (self.cold, "c", "no"))
        )

    def ended(self, daemon: Daemon, port: int, name: str, sent: bytes) -> Ended:
        """
        Be a client.

        @return: what it gets, how the program ended, and what it left in a file.
        """
        path = self.path("out.txt")
        if os.path.exists(path):
            os.remove(path)
        pattern = _END.format("w" if port == self.warm else "c")
        before = len(re.findall(pattern, daemon.log()))
        got = _OWN.sub(b"", talk(port, sent))
        eventually(
            lambda: len(re.findall(pattern, daemon.log())) > before,
            lambda: f"the end of {name}; the log:\n{daemon.log()}",
        )
        how = re.findall(pattern, daemon.log())[-1]
        if not os.path.exists(path):
            return got, how, None
        with open(path) as file:
            return got, how, file.read()

    def compare(self, python: str, args: str, script: str) -> None:
        """
        Run all scripts warm and cold.

        @param script: the name of the file that the program runs.
        """
        self.write("opener.py", MODULE)
        self.write(script, "")
        env = environment()
        for name in ("PYTHONPATH", "PYTHONUNBUFFERED"):
            env.pop(name, None)
        conf = self.services(python, args)
        options = ("--log-level", "info")
        with self.daemon(
            conf, self.warm, self.cold, options=options, env=env
        ) as daemon:
            daemon.waitForLog("event=ready")
            different = [
                f"{name}: warm {warm} cold {cold}"
                for name, warm, cold in self.outcomes(daemon, script)
                if warm != cold
            ]
            # All but those that cannot be compiled.
            warm = daemon.log().count("how=warm")
            self.assertGreater(warm, len(SCRIPTS) - 10)
        self.assertEqual(different, [])

    def outcomes(self, daemon: Daemon, script: str) -> Any:
        """
        How each script ends, warm and cold.
        """
        for name, text in SCRIPTS.items():
            self.write(script, text)
            sent = SENT.get(name, b"")
            warm = self.ended(daemon, self.warm, name, sent)
            yield name, warm, self.ended(daemon, self.cold, name, sent)


def _addTests() -> None:
    """
    Add tests for each interpreter that is here.
    """
    forms = {
        "Script": ("script.py x", "script.py"),
        "Module": ("-m script", "script.py"),
    }
    versions = list(pythons())
    for version, python in pythons().items():
        for form, (args, script) in forms.items():
            if form == "Module" and version not in (versions[0], versions[-1]):
                continue

            def test(
                self: EndsTests,
                python: str = python,
                args: str = args,
                script: str = script,
            ) -> None:
                self.compare(python, args, script)

            test.__doc__ = f"{form} with CPython {version}: every end is the same."
            setattr(EndsTests, f"test_{version.replace('.', '_')}{form}", test)


_addTests()
