# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A warm service whose files are replaced.

From the next client on it is what a cold start would be, and its interpreter is
replaced once.
"""

from __future__ import annotations

import os
from typing import Any, Callable

from tests.support import interpreters
from tests.support.daemon import Daemon, environment, freePort, talk, talkOrNothing
from tests.support.warmservice import INFO, WarmTestCase, events, starts

#: Says which release it has, of its own text and of what it imports.
_TEXT = "import library\nprint('{}', library.RELEASE)\n"
#: How many clients come one after the other.
CLIENTS = 5


def _nothing(path: str) -> None:
    """Remove what is at a path."""


class ReleasesTestCase(WarmTestCase):
    """A test case with two releases, whose files are hard links to each other."""

    def release(self, name: str, text: str, library: str, before: str = "") -> None:
        """
        Make a release.

        @param before: the one to which files link that are the same.
        """
        os.mkdir(self.path(name), 0o755)
        files = {
            "script.py": _TEXT.format(text),
            "library.py": f"RELEASE = {library!r}\n",
        }
        for file, content in files.items():
            if before:
                old = self.path(f"{before}/{file}")
                with open(old) as there:
                    if there.read() == content:
                        os.link(old, self.path(f"{name}/{file}"))
                        continue
            self.write(f"{name}/{file}", content)

    def serve(self, script: str, **keys: Any) -> Daemon:
        """Serve a script with the interpreter of these tests."""
        return self.warm(self.definition(f"{interpreters.python()} {script}", **keys))

    def all(self, answer: str) -> None:
        """Assert that some clients all get the same answer."""
        found = [talk(self.port, b"").decode() for _ in range(CLIENTS)]
        self.assertEqual(found, [f"{answer}\n"] * CLIENTS)

    def follows(self, daemon: Daemon, answer: str, count: int = 2) -> None:
        """
        Assert that all clients get the same answer from now on.

        They are served warm after a while, and no further interpreter is started.
        """
        self.all(answer)
        daemon.waitForLog("warm-ready ", count)
        begun = len(starts(daemon))
        self.all(answer)
        self.all(answer)
        daemon.waitForLog("start=", begun + 2 * CLIENTS)
        self.assertEqual(starts(daemon)[begun:], ["warm"] * 2 * CLIENTS)
        self.assertEqual(len(events(daemon, "ready")), count)


class ReleasesTests(ReleasesTestCase):
    """A release takes the place of another."""

    def switch(self, name: str) -> None:
        """Switch the link to a release."""
        os.symlink(name, self.path("new"))
        os.replace(self.path("new"), self.path("current"))

    def move(self, name: str) -> None:
        """Move a release to the path of the link."""
        os.rename(self.path("current"), self.path("old"))
        os.rename(self.path(name), self.path("current"))

    def check(self, text: str, library: str, linked: bool, **keys: Any) -> None:
        """Serve one release, and then another."""
        preload = keys.get("preload", "")
        count = 2 if preload or "directory" in keys else 1
        self.release("one", "1", "1")
        self.release("two", text, library, "one")
        if linked:
            self.switch("one")
        else:
            os.rename(self.path("one"), self.path("current"))
        script = "script.py" if "directory" in keys else self.path("current/script.py")
        daemon = self.serve(script, **keys)
        self.all("1 1")
        (self.switch if linked else self.move)("two")
        if count == 1:
            self.all(f"{text} {library}")
            self.assertEqual(set(starts(daemon)), {"warm"})
        else:
            self.follows(daemon, f"{text} {library}", count)

    def test_libraryLinked(self) -> None:
        """A link is switched; the script is the same file."""
        self.check("1", "2", True)

    def test_libraryMoved(self) -> None:
        """Another directory has the name; the script is the same file."""
        self.check("1", "2", False)

    def test_textLinked(self) -> None:
        """A link is switched; the script is another file, its imports are the same."""
        self.check("2", "1", True)

    def test_libraryPreloaded(self) -> None:
        """A link is switched, where the library was imported in advance."""
        self.check("1", "2", True, preload="library")

    def test_libraryMovedPreloaded(self) -> None:
        """Another directory has the name of a preloaded library."""
        self.check("1", "2", False, preload="auto")

    def test_textPreloaded(self) -> None:
        """A link is switched, and only the script is another file."""
        self.check("2", "1", True, preload="auto")

    def test_directory(self) -> None:
        """The script is that of the working directory, and this a link."""
        self.check("2", "2", True, directory=self.path("current"))

    def checkAway(self, change: Callable[[str], None], why: str, **keys: Any) -> None:
        """
        Check that clients are closed while the working directory is missing.

        The log names it; when it is made anew, the next client has it.

        @param change: leaves at its path what is not a working directory.
        @param why: the reason in the log.
        """
        self.release("current", "1", "1")
        self.release("two", "2", "2")
        current = self.path("current")
        daemon = self.serve("script.py", directory=current, **keys)
        self.all("1 1")
        os.rename(current, self.path("old"))
        change(current)
        self.assertEqual(talkOrNothing(self.port, b""), b"")
        daemon.waitForLog(f"': {current}: {why}")
        self.assertNotIn("status=127", daemon.log())
        if os.path.lexists(current):
            os.rename(current, self.path("other"))
        os.rename(self.path("two"), current)
        self.all("2 2")

    def test_directoryGone(self) -> None:
        """The working directory is gone, and the daemon accepts."""
        self.checkAway(_nothing, "No such file or directory", accept_max="50")

    def test_directoryGoneAccepting(self) -> None:
        """The working directory is gone, and the interpreter accepts."""
        self.checkAway(_nothing, "No such file or directory")

    def test_directoryNone(self) -> None:
        """A file has the place of the working directory, and the daemon accepts."""
        self.checkAway(os.mknod, "Not a directory", accept_max="50")

    def test_directoryNoneAccepting(self) -> None:
        """A file replaces the working directory; the interpreter accepts."""
        self.checkAway(os.mknod, "Not a directory")

    def test_directoryMoved(self) -> None:
        """The script is that of the working directory, and this another one now."""
        self.check("1", "2", False, directory=self.path("current"), preload="auto")


class ShadowTests(ReleasesTestCase):
    """A module comes that goes before one that was imported in advance."""

    def setUp(self) -> None:
        """Write a script, and make a directory for modules beside it."""
        super().setUp()
        self.release("app", "1", "beside")
        os.mkdir(self.path("path"), 0o755)
        os.rename(self.path("app/library.py"), self.path("path/library.py"))
        self.script = self.path("app/script.py")

    def env(self) -> dict[str, Any]:
        """Return the keys that lead there."""
        return {"env": f"PYTHONPATH={self.path('path')}"}

    def test_module(self) -> None:
        """A module appears beside the script."""
        daemon = self.serve(self.script, preload="library", **self.env())
        self.all("1 beside")
        self.write("app/library.py", "RELEASE = 'own'\n")
        self.follows(daemon, "1 own")

    def test_package(self) -> None:
        """A package appears where a module was."""
        daemon = self.serve(self.script, preload="auto", **self.env())
        self.all("1 beside")
        os.mkdir(self.path("app/library"), 0o755)
        self.write("app/library/__init__.py", "RELEASE = 'package'\n")
        self.follows(daemon, "1 package")

    def test_packageOfAnother(self) -> None:
        """A module replaces a module of a package."""
        os.mkdir(self.path("app/library"), 0o755)
        self.write("app/library/__init__.py", "from library.part import RELEASE\n")
        self.write("app/library/part.py", "RELEASE = 'part'\n")
        daemon = self.serve(self.script, preload="auto", **self.env())
        self.all("1 part")
        os.mkdir(self.path("app/library/new"), 0o755)
        self.write("app/library/new/__init__.py", "RELEASE = 'package'\n")
        os.rename(self.path("app/library/new"), self.path("app/library/part"))
        self.follows(daemon, "1 package")

    def test_standard(self) -> None:
        """A module precedes one of the standard library that was shared."""
        self.write("app/script.py", "import string\nprint(string.__file__)\n")
        daemon = self.serve(self.script, **self.env())
        self.assertNotIn(self.directory.encode(), talk(self.port, b""))
        own = self.write("path/string.py", "")
        self.follows(daemon, own)

    def test_others(self) -> None:
        """Other files in these directories change nothing."""
        daemon = self.serve(self.script, preload="auto", **self.env())
        for number in range(CLIENTS):
            self.write(f"app/upload{number}.py", "")
            self.write(f"app/library.{number}", "")
            os.mkdir(self.path(f"path/{number}"))
            self.assertEqual(talk(self.port, b""), b"1 beside\n")
        daemon.waitForLog("start=", CLIENTS)
        self.assertEqual(set(starts(daemon)), {"warm"})
        self.assertEqual(len(events(daemon, "ready")), 1)


class SearchTests(ReleasesTestCase):
    """An interpreter that is looked for in PATH."""

    def test_another(self) -> None:
        """A program earlier in PATH is the next client's, until it is gone."""
        self.script = self.write("s.py", "import sys\nprint(sys.executable)\n")
        for name in ("one", "two"):
            os.mkdir(self.path(name), 0o755)
        one, two = self.path("one/python3"), self.path("two/python3")
        real = os.path.realpath(interpreters.python())
        os.symlink(real, two)
        for more in ({}, {"accept_max": "50"}):
            self.port = freePort()
            given = {"exec": "python3", "env": "A=1", **more}
            conf = self.definition(f"python3 {self.script}", **given)
            path = f"{self.path('one')}:{self.path('two')}"
            env = {**environment(), "PATH": path}
            with self.daemon(conf, self.port, options=INFO, env=env) as daemon:
                daemon.waitForLog("warm-ready ")
                self.all(two)
                os.symlink(real, one)
                self.follows(daemon, one)
                os.unlink(one)
                self.follows(daemon, two, 3)
