# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Configuration files with errors, at the start and at a reload."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket

from tests.support import interpreters
from tests.support.daemon import Daemon, eventually, freePort, talk, twistd
from tests.support.serving import ServingTestCase, inetd, run
from tests.support.users import ordinaryUser


class BadFileTests(ServingTestCase):
    """Configuration files that cannot be read, each beside one that can."""

    def check(self, path: str, reason: str) -> None:
        """
        Check that a bad file draws a log line and the other file is served.

        Without the other file, the command fails with a message.
        """
        port, user = freePort(), ordinaryUser()
        good = self.write("good.conf", f"{port} stream tcp nowait - /bin/cat\n")
        argv = twistd("inetd", "--conf", path, "--conf", good)
        with Daemon(argv, ports=[port], user=user) as daemon:
            self.assertEqual(talk(port, b"good"), b"good")
            (line,) = daemon.lines(path)
            self.assertIn(f"config-error {path}:1:1 field=file reason=", line)
            self.assertIn(reason, line)
        asUser = ["setpriv", f"--reuid={user.pw_uid}", "--clear-groups"] if user else []
        done = run([*asUser, *twistd("inetd", "--conf", path)])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(reason, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stdout + done.stderr)

    def test_absent(self) -> None:
        """A missing file is a bad file."""
        self.check(self.path("absent.conf"), "No such file or directory")

    def test_unreadable(self) -> None:
        """A file that the user cannot read is a bad file."""
        path = self.write("private.conf", "", 0o000)
        self.check(path, "Permission denied")

    def test_fifo(self) -> None:
        """A FIFO without a writer is a bad file."""
        path = self.path("fifo.conf")
        os.mkfifo(path, 0o666)
        self.check(path, "is a FIFO, not a regular file")

    def test_binary(self) -> None:
        """A program is a bad file."""
        path = self.path("binary.conf")
        shutil.copy("/bin/cat", path)
        os.chmod(path, 0o644)
        self.check(path, "NUL characters")

    def test_directory(self) -> None:
        """The files of a directory are read; a bad one does not hide the others."""
        port = freePort()
        os.mkdir(self.path("inetd.d"))
        self.write("inetd.d/one.conf", f"{port} stream tcp nowait - /bin/cat\n")
        bad = self.write("inetd.d/two.conf", "7 stream\n")
        argv = twistd("inetd", "--conf", self.path("inetd.d"))
        with Daemon(argv, ports=[port]) as daemon:
            self.assertEqual(talk(port, b"good"), b"good")
            (line,) = daemon.lines(f"{bad}:1:")
            self.assertIn("field=protocol", line)


class NothingToServeTests(ServingTestCase):
    """Commands that have nothing to serve."""

    def commands(self, path: str) -> dict[str, list[str]]:
        """Return all commands that serve a file, by a name."""
        pid = self.path("pid")
        return {
            "inetd": inetd("-p", pid, path),
            "inetd -f": inetd("-f", path),
            "inetd -f -e": inetd("-f", "-e", path),
            "python -m": [interpreters.python(), "-m", "inetdtw", "-p", pid, path],
            "twistd -n": twistd("inetd", "--conf", path),
            "twistd": [
                *twistd()[:-2],
                *("--pidfile", pid, "--logfile", self.path("log")),
                *("inetd", "--conf", path),
            ],
        }

    def check(self, path: str, *texts: str) -> None:
        """Check that every command fails with a message and leaves nothing behind."""
        for name, argv in self.commands(path).items():
            done = run(argv)
            output = done.stdout + done.stderr
            if os.path.exists(self.path("log")):
                with open(self.path("log"), encoding="utf-8") as log:
                    output += log.read()
            self.assertNotEqual(done.returncode, 0, f"{name}: {output}")
            for text in texts:
                self.assertIn(text, output, name)
            self.assertNotIn("Traceback", output, name)
            # Its starter knows of the failure first.
            eventually(
                lambda: not os.path.exists(self.path("pid")),
                lambda: "the pid file to be removed",
            )

    def test_empty(self) -> None:
        """A file with only comments draws a message, and a failure."""
        path = self.write("inetd.conf", "# nothing\n\n# more\n")
        self.check(path, "nothing to serve", path, "all 2 lines are comments")

    def test_absent(self) -> None:
        """A missing file draws a message that names it, and a failure."""
        path = self.path("absent.conf")
        self.check(path, "nothing to serve", path, "No such file")

    def test_onlyBadLines(self) -> None:
        """A file without a good line draws a message with every error."""
        path = self.write(
            "inetd.conf", "7 stream\nnosuch stream tcp nowait - /bin/cat\n"
        )
        self.check(path, "nothing to serve", f"{path}:1:", f"{path}:2:")

    def test_portsInUse(self) -> None:
        """A daemon without a free port stays, and serves once one is free."""
        port = freePort()
        path = self.write("inetd.conf", f"{port} stream tcp nowait - /bin/cat\n")
        for argv in (inetd("-f", "-e", path), twistd("inetd", "--conf", path)):
            holder = socket.create_server(("", port))
            with Daemon(argv) as daemon:
                with holder:
                    daemon.waitForLog("already in use", 2)
                self.assertIsNone(daemon.process.poll())
                daemon.waitForLog(f"listen {port}/tcp")
                self.assertEqual(talk(port, b"late"), b"late")


class BadReloadTests(ServingTestCase):
    """Files that are bad at a reload."""

    def check(self, bad: str | None) -> None:
        """Check that the old configuration is served."""
        port, added = freePort(), freePort()
        good = f"{port} stream tcp nowait - /bin/cat\n"
        with self.daemon(good, port) as daemon:
            if bad is None:
                os.unlink(self.path("inetd.conf"))
            else:
                self.write("inetd.conf", bad.format(port=port, added=added))
            os.kill(daemon.process.pid, signal.SIGHUP)
            daemon.waitForLog("reload-rejected - problems=1")
            self.assertEqual(talk(port, b"text"), b"text")
            self.assertRaises(ConnectionRefusedError, self.connect, added)
            self.assertTrue(
                re.search(r"config-error \S+inetd.conf:\d+:\d+ ", daemon.log())
            )

    def test_badLine(self) -> None:
        """A bad line rejects the reload, with a log line."""
        self.check("{port} stream tcp nowait - /bin/echo\n{added} stream tcp\n")

    def test_absent(self) -> None:
        """A missing file rejects the reload, with a log line."""
        self.check(None)
