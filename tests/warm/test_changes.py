# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Files of a warm service that change."""

from __future__ import annotations

import os
from typing import Any

from tests.support import interpreters
from tests.support.daemon import (
    Daemon,
    freePort,
    talk,
)
from tests.support.warmservice import WarmTestCase, events, starts


class ChangeTests(WarmTestCase):
    """Files of a warm service that change."""

    def serve(self, text: str, **keys: Any) -> Daemon:
        """Serve a script."""
        self.script = self.write("script.py", text)
        return self.warm(
            self.definition(f"{interpreters.python()} {self.script}", **keys)
        )

    def test_edited(self) -> None:
        """The next connection has the edited script, however fast it is edited."""
        daemon = self.serve("print('first')\n")
        for number in range(30):
            self.write("script.py", f"print({number % 10})\n")
            self.assertEqual(talk(self.port, b""), b"%d\n" % (number % 10))
        daemon.waitForLog("] start ", 30)
        self.assertEqual(set(starts(daemon)), {"warm"})

    def test_replaced(self) -> None:
        """The next connection has a script that replaces the file."""
        self.serve("print('first')\n")
        os.replace(self.write("other.py", "print('other')\n"), self.script)
        self.assertEqual(talk(self.port, b""), b"other\n")

    def test_linked(self) -> None:
        """
        The directory of a link's target is the first of the path.

        It changes with the link, for the next connection.
        """
        for name in ("one", "two"):
            os.mkdir(self.path(name), 0o755)
            self.write(f"{name}/script.py", "import sys; print(sys.path[0])\n")
        os.symlink("one/script.py", self.path("script.py"))
        self.warm(self.definition(f"{interpreters.python()} {self.path('script.py')}"))
        self.assertEqual(talk(self.port, b"").decode(), self.path("one") + "\n")
        os.symlink("two/script.py", self.path("new"))
        os.replace(self.path("new"), self.path("script.py"))
        self.assertEqual(talk(self.port, b"").decode(), self.path("two") + "\n")

    def test_gone(self) -> None:
        """
        A missing script gives the interpreter's own error message.

        The log has one line for any number of clients. The service is warm again when
        the script is back.
        """
        daemon = self.serve("print('there')\n")
        os.rename(self.script, self.path("away"))
        for _ in range(3):
            self.assertIn(b"can't open file", talk(self.port, b""))
        daemon.waitForLog("warm-stderr ")
        self.assertEqual(len(events(daemon, "stderr")), 1)
        os.rename(self.path("away"), self.script)
        self.assertEqual(talk(self.port, b""), b"there\n")
        self.assertStarted(daemon, *["cold"] * 3, "warm")

    def test_broken(self) -> None:
        """A script with a syntax error gives the interpreter's own message."""
        daemon = self.serve("print('good')\n")
        self.write("script.py", "print('bad'\n")
        answers = {talk(self.port, b"") for _ in range(3)}
        self.assertEqual(len(answers), 1)
        self.assertIn(b"SyntaxError", answers.pop())
        daemon.waitForLog("warm-stderr ")
        self.assertEqual(len(events(daemon, "stderr")), 1)
        self.assertIn("SyntaxError", daemon.log())

    def test_brokenFromTheStart(self) -> None:
        """A script that never worked is served cold, and warm once it works."""
        daemon = self.serve("print('bad'\n")
        self.assertIn(b"SyntaxError", talk(self.port, b""))
        self.write("script.py", "print('good')\n")
        self.assertEqual(talk(self.port, b""), b"good\n")
        self.assertStarted(daemon, "cold", "warm")

    def test_preloadFails(self) -> None:
        """
        A module that cannot be preloaded fails for each client, as cold.

        The log has one line.
        """
        self.write("helper.py", "print('imported')\n1/0\n")
        daemon = self.serve("import helper\n", preload="auto")
        for _ in range(2):
            answer = talk(self.port, b"")
            self.assertTrue(answer.startswith(b"imported\nTraceback"), answer)
            self.assertIn(b"import helper", answer)
            self.assertIn(b"ZeroDivisionError", answer)
        daemon.waitForLog("warm-stderr ")
        self.assertEqual(len(events(daemon, "stderr")), 1)

    def test_preloaded(self) -> None:
        """
        A module is imported once for all clients, and only if configured.

        It writes nothing to them.
        """
        self.write("helper.py", "import os\nprint('imported')\nPID = os.getpid()\n")
        text = "import os, helper\nprint(helper.PID == os.getpid())\n"
        self.serve(text, preload="auto")
        self.assertEqual(talk(self.port, b""), b"False\n")
        self.port = freePort()
        self.serve(text)
        self.assertEqual(talk(self.port, b""), b"imported\nTrue\n")

    def test_preloadedEdited(self) -> None:
        """
        A preloaded module that is edited is new for the next connection.

        The service is soon warm again.
        """
        self.write("helper.py", "X = 1\n")
        daemon = self.serve("import helper\nprint(helper.X)\n", preload="helper")
        self.assertEqual(talk(self.port, b""), b"1\n")
        self.write("helper.py", "X = 22\n")
        self.assertEqual(talk(self.port, b""), b"22\n")
        daemon.waitForLog("warm-ready ", 2)
        self.assertEqual(talk(self.port, b""), b"22\n")
        self.assertStarted(daemon, "warm", "cold", "warm")

    def test_preloadThread(self) -> None:
        """A module that starts a thread is imported by each program."""
        self.write(
            "helper.py",
            "import threading, time\n"
            "thread = threading.Thread(target=time.sleep, args=(1000,), daemon=True)\n"
            "thread.start()\n",
        )
        text = "import helper\nprint(helper.thread.is_alive())\n"
        script = self.write("script.py", text)
        conf = self.definition(f"{interpreters.python()} {script}", preload="auto")
        daemon = self.warm(conf)
        self.assertEqual(talk(self.port, b""), b"True\n")
        self.assertStarted(daemon, "warm")

    def test_shadowed(self) -> None:
        """
        A module beside the script precedes the standard library's.

        It exists from the start, or not.
        """
        daemon = self.serve("import string\nprint(string.__file__)\n")
        self.assertNotIn(self.directory.encode(), talk(self.port, b""))
        own = self.write("string.py", "")
        self.assertEqual(talk(self.port, b"").decode(), own + "\n")
        daemon.waitForLog("warm-ready ", 2)
        self.assertEqual(talk(self.port, b"").decode(), own + "\n")

    def test_nobodyYet(self) -> None:
        """No code of a script runs before a client connects."""
        ran = self.path("ran")
        self.write("helper.py", f"open({ran!r}, 'w')\n")
        self.serve("import helper\n")
        self.assertFalse(os.path.exists(ran))
        talk(self.port, b"")
        self.assertTrue(os.path.exists(ran))
