# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.command}."""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers import warm
from inetdtw.helpers.warm.protocol import PARAMETERS, version
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.warm import command
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec

#: Parameters with all that is hard to write down.
AWKWARD = {"a": [b"\xff'\"\\\n{}%s", b""], "b": "\udcff\u20ac\n", "c": 7}


class CommandTests(SynchronousTestCase):
    """Tests for L{command.warmCommand}."""

    def command(
        self, spec: WarmSpec, **given: Any
    ) -> tuple[str, list[str], dict[str, object]]:
        """Return how an interpreter is started."""
        usual = {"executable": "/bin/py", "argv": ("py", "-u", "s.py", "a")}
        request = LaunchRequest(
            environment={}, extra={}, fds=(0, 0, 0), **{**usual, **given}
        )
        return command.warmCommand(
            spec, request, "pre", ProcessContext(directory="/d", chroot="/c")
        )

    def test_interpreter(self) -> None:
        """An interpreter has its own options, then the program, then the arguments."""
        spec = WarmSpec("", ("py", "-u"), 0, "", ("s.py", "a"))
        executable, argv, parameters = self.command(spec)
        self.assertEqual(executable, "/bin/py")
        self.assertEqual(argv, ["py", "-u", "-", "s.py", "a"])
        wanted = {
            "form": "",
            "index": 2,
            "preload": "pre",
            "paths": [b"/bin/py"],
            "argv": [b"py", b"-u", b"s.py", b"a"],
            "origArgv": [b"py", b"-u", b"s.py", b"a"],
            "directory": b"/d",
            "own": [b"LD_BIND_NOW"],
        }
        self.assertEqual(parameters, wanted)
        self.assertEqual(set(parameters), PARAMETERS)

    def test_own(self) -> None:
        """A variable that the program has too is not the interpreter's own."""
        spec = WarmSpec("", ("py",), 0, "", ("s.py",))
        request = LaunchRequest(
            *("/bin/py", ("py", "s.py"), {"LD_BIND_NOW": ""}, {}, (0, 0, 0))
        )
        _, _, parameters = command.warmCommand(spec, request, "", ProcessContext())
        self.assertEqual(parameters["own"], [])

    def test_large(self) -> None:
        """Large arguments are not repeated for the interpreter."""
        spec = WarmSpec("", ("py",), 0, "", ("s.py", "a" * 100000))
        _, argv, parameters = self.command(spec, argv=("py", "s.py", "a" * 100000))
        self.assertEqual(argv, ["py", "-"])
        self.assertEqual(parameters["origArgv"], [b"py", b"s.py", b"a" * 100000])

    def test_outside(self) -> None:
        """The interpreter gets a path where the root directory is the daemon's."""
        spec = WarmSpec("", ("py",), 0, "", ("s.py",))
        request = LaunchRequest("/bin/py", ("py", "s.py"), {}, {}, (0, 0, 0))
        _, argv, _ = command.warmCommand(spec, request, "", ProcessContext())
        self.assertEqual(argv, ["py", "/dev/fd/0", "s.py"])

    def test_script(self) -> None:
        """The interpreter that a script names is executed."""
        spec = WarmSpec("/usr/bin/env", ("/usr/bin/env", "py", "-u"), 1, "", ("a",))
        given = {"executable": "/s.py", "argv": ("name", "a")}
        executable, argv, parameters = self.command(spec, **given)
        self.assertEqual(executable, "/usr/bin/env")
        self.assertEqual(argv, ["/usr/bin/env", "py", "-u", "-", "/s.py", "a"])
        self.assertEqual(parameters["origArgv"], [b"py", b"-u", b"/s.py", b"a"])
        found = (parameters["index"], parameters["paths"], parameters["argv"])
        self.assertEqual(found, (2, [b"/s.py"], [b"name", b"a"]))


class TextTests(SynchronousTestCase):
    """Tests for the text that an interpreter runs."""

    def test_text(self) -> None:
        """The text is the joined source, and its version is known."""
        text = warm.source()
        self.assertEqual(command.TEXT, text)
        self.assertEqual(command.VERSION, version(text))

    def test_version(self) -> None:
        """A version is a number of 64 bits, and differs for different texts."""
        versions = {version(command.TEXT[:end]) for end in range(300)}
        self.assertEqual(len(versions), 300)
        self.assertEqual([each for each in versions if each >> 64], [])
        one, other = b"name = form", b"form = name"
        self.assertNotEqual(version(one), version(other))

    def test_program(self) -> None:
        """The first line is ASCII, and has the text and the parameters."""
        line, _, rest = command.program(AWKWARD).decode("ascii").partition("\n")
        names: dict[str, Any] = {}
        exec(line, names)
        self.assertEqual((names["text"], names["parameters"]), (command.TEXT, AWKWARD))
        self.assertEqual(rest, warm.BOOT)

    def test_scriptArgument(self) -> None:
        """Descriptor 0 has a path, unless that can be missing."""
        self.assertEqual(command.scriptArgument(None), "/dev/fd/0")
        self.assertEqual(command.scriptArgument("/jail"), "-")
        self.patch(os.path, "isdir", lambda path: path != "/dev/fd")
        self.assertEqual(command.scriptArgument(None), "-")
        self.patch(os.path, "isdir", lambda path: True)
        self.patch(sys, "platform", "freebsd14")
        self.assertEqual(command.scriptArgument(None), "-")
