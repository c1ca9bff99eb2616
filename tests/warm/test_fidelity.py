# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A warm start is like a cold one, to a probe that prints all it finds.

It is started both ways, with every interpreter, as a script, by C{-m} and by C{-c}, and
with every option that a warm process can have.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support import interpreters, users
from tests.support.daemon import environment, freePort, talk
from tests.support.interpreters import pythons
from tests.support.serving import ServingTestCase

_PROBE = (Path(interpreters.__file__).parent / "warmprobe.py").read_text()
_REMOTE = re.compile(r"(REMOTE_?PORT(?:\W|b)+)\d+")
_CODE = "import sys; exec(open('probe.py').read())"

#: The arguments behind the interpreter's own name, what to preload, and further keys.
#: A probe with the argument C{all} takes longer: it starts processes in every way.
FORMS = {
    "script": ("{directory}/probe.py all 'b c'", "", ""),
    "relative": ("-uB -W ignore probe.py", "auto", ""),
    "isolated": ("-I -O -Xutf8 ./probe.py", "json, sqlite3", ""),
    "noSite": ("-S -OO -bb -W error probe.py", "", ""),
    "module": ("-m probes.probe z", "", ""),
    "moduleAuto": ("-bE -m probes.probe", "auto", ""),
    "code": (f'-s -c "{_CODE}" x', "", ""),
    "context": ("probe.py", "", "umask = 027, nice = 3, rlimit_files = 200, env = A=b"),
}


class ProbeTestCase(ServingTestCase):
    """
    Start a probe warm and cold with one interpreter.

    @ivar user: the name of its user.
    """

    user = "-"

    def setUp(self) -> None:
        """Write the probe as a script and in a package."""
        super().setUp()
        os.mkdir(self.path("probes"), 0o755)
        self.write("probes/__init__.py", "")
        for path in ("probe.py", "probes/probe.py"):
            self.write(path, _PROBE)

    def services(self, python: str) -> str:
        """All forms as services, warm and cold."""
        lines = []
        self.ports: dict[str, tuple[int, ...]] = {}
        for form, (words, preload, keys) in FORMS.items():
            args = f"args = {python} {words.format(directory=self.directory)}"
            warm = ["warm = yes", *([f"preload = {preload}"] if preload else [])]
            for how in (warm, ["warm = no"]):
                rest = ", ".join([*how, *([keys] if keys else []), args])
                port = freePort()
                self.ports[form] = (*self.ports.get(form, ()), port)
                lines.append(
                    f"127.0.0.1:{port} on protocol = tcp, wait = no, "
                    f"user = {self.user}, directory = {self.directory}, "
                    f"exec = {python}, {rest};\n"
                )
        return "".join(lines)

    def compare(self, python: str) -> None:
        """Start all forms both ways, and see that the probe finds the same."""
        conf = self.services(python)
        flat = [port for ports in self.ports.values() for port in ports]
        options = ("--log-level", "info")
        env = environment(A="daemon's")
        # A developer may have set that for all processes.
        env.pop("PYTHONUNBUFFERED", None)
        with self.daemon(conf, *flat, options=options, env=env) as daemon:
            daemon.waitForLog("warm-ready ", len(FORMS))
            with ThreadPoolExecutor(4) as clients:
                answers = list(clients.map(lambda port: talk(port, b"in\n"), flat))
            daemon.waitForLog("start=warm", len(FORMS))
            self.assertNotIn("start=cold", daemon.log())
        different = {
            form: self.differences(form, *answers[index * 2 : index * 2 + 2])
            for index, form in enumerate(FORMS)
        }
        self.assertEqual(different, {form: [] for form in FORMS})

    def differences(self, form: str, warm: bytes, cold: bytes) -> list[str]:
        """Return what the probe finds otherwise when it is started warm."""
        try:
            ours, theirs = (
                json.loads(each.decode().splitlines()[-1]) for each in (warm, cold)
            )
        except (ValueError, IndexError):
            return [f"warm {warm!r} cold {cold!r}"]
        self.assertNotEqual(ours[1]["random"], theirs[1]["random"])
        missing = set(theirs[1]["modules"]) - set(ours[1]["modules"])
        self.assertEqual(missing, set())
        texts = [json.dumps(each[0]) for each in (ours, theirs)]
        # The services and their clients have different ports.
        texts = [_REMOTE.sub(r"\1", each) for each in texts]
        port, other = map(str, self.ports[form])
        found, wanted = json.loads(texts[0]), json.loads(texts[1].replace(other, port))
        self.assertEqual(set(found), set(wanted))
        return [
            f"{key}: warm {found[key]} cold {wanted[key]}"
            for key in wanted
            if found[key] != wanted[key]
        ]


class ProbeTests(ProbeTestCase):
    """Start a probe with each interpreter that is here."""

    def test_virtualEnvironment(self) -> None:
        """The interpreter of a virtual environment: nothing is different."""
        python = list(pythons().values())[-1]
        directory = self.path("env")
        # What leads workers of trial to their modules is not for this interpreter.
        command = [python, "-I", "-m", "venv", "--without-pip", directory]
        subprocess.run(command, check=True)
        self.compare(f"{directory}/bin/python")


class OtherUserTests(ProbeTestCase):
    """Start a probe as another user."""

    if not users.ROOT:
        skip = users.NOT_ROOT

    def test_otherUser(self) -> None:
        """A service of another user: nothing is different."""
        self.user = users.alpine().pw_name
        self.compare(interpreters.python())


def _addTests() -> None:
    """Add a test for each interpreter that is here."""
    for version, python in pythons().items():

        def test(self: ProbeTests, python: str = python) -> None:
            self.compare(python)

        test.__doc__ = f"CPython {version}: nothing is different."
        setattr(ProbeTests, f"test_{version.replace('.', '_')}", test)


_addTests()
