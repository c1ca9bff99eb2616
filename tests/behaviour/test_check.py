# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{--check} and C{--explain}, as an operator uses them before a reload."""

from __future__ import annotations

import os
import re
import socket

from tests.support.daemon import freePort, isServed, talk, twistd
from tests.support.serving import ServingTestCase, inetd, run

ECHO = "stream tcp nowait - internal echo"


class CheckTests(ServingTestCase):
    """Tests for both commands with C{--check}."""

    def check(self, *paths: str) -> tuple[int, str]:
        """Return the exit status and the output of both commands, which are equal."""
        first = run([*inetd("--check", *paths)])
        second = run([*twistd("inetd", "--check", *paths)])
        self.assertEqual(first.stderr + second.stderr, "")
        self.assertEqual(
            (first.returncode, first.stdout), (second.returncode, second.stdout)
        )
        return first.returncode, first.stdout

    def test_good(self) -> None:
        """
        C{--check} exits with 0 for a good file and opens no socket (item 100).

        A port that another process listens on does not matter.
        """
        port = freePort()
        path = self.write("inetd.conf", f"{port} {ECHO}\n")
        self.assertEqual(self.check(path), (0, "1 service, 0 errors, 0 warnings\n"))
        self.assertFalse(isServed(port))
        with socket.create_server(("", 0)) as taken:
            line = f"{taken.getsockname()[1]} {ECHO}\n"
            self.assertEqual(self.check(self.write("inetd.conf", line))[0], 0)

    def test_bad(self) -> None:
        """C{--check} exits with 1 for a bad file, and prints its line with a caret."""
        path = self.write(
            "inetd.conf", f"7007 {ECHO}\n7008 steam tcp nowait - /bin/cat\n"
        )
        wanted = (
            f"{path}:2:6: socktype: 'steam' is not a socket type"
            " (stream, dgram, seqpacket)\n"
            "    7008 steam tcp nowait - /bin/cat\n"
            "         ^\n"
            "1 service, 1 error, 0 warnings\n"
        )
        self.assertEqual(self.check(path), (1, wanted))

    def test_places(self) -> None:
        """
        C{--check} prints file, line and column of each error, and exits with 1.

        See item 100.
        """
        lines = (
            "nosuch stream tcp nowait - /bin/cat cat",  # item 3
            "7001 stream tcp",  # item 14
            "7002 stream tcp nowait/99999 - /bin/cat cat",  # item 16
            "7003 stream tcp nowait nosuchuser /bin/cat cat",  # item 18
            "7004 stream udp nowait - /bin/cat cat",  # item 24
            "7005 stream tcp nowait - internal echo",
            "7005 stream tcp nowait - internal discard",  # item 25
            "7006 on protocol = tcp, colour = red;",  # item 29
        )
        path = self.write("inetd.conf", "\n".join(lines) + "\n")
        status, output = self.check(path)
        self.assertEqual(status, 1)
        places = re.findall(rf"(?m)^{re.escape(path)}:(\d+):\d+: \w+: ", output)
        self.assertEqual(places, ["1", "2", "3", "4", "5", "7", "8"])
        for line in (1, 2, 3, 4, 5, 7, 8):
            self.assertIn(f"\n    {lines[line - 1]}\n", output)

    def test_running(self) -> None:
        """C{--check} works while a daemon serves the file, with its pid file."""
        port = freePort()
        conf = f"{port} {ECHO}\n"
        with self.daemon(conf, port):
            path = self.path("inetd.conf")
            pidFile = self.write("pid", f"{os.getpid()}\n")
            result = run(inetd("--check", "-p", pidFile, path))
            self.assertEqual((result.returncode, result.stderr), (0, ""))


class ExplainTests(ServingTestCase):
    """Tests for both commands with C{--explain}."""

    def test_pasted(self) -> None:
        """The output of C{--explain} serves the same when it is a file."""
        port = freePort()
        line = f"{port} stream tcp nowait - /bin/echo echo 'a  b' \"c\"\n"
        path = self.write("inetd.conf", line)
        first = run([*inetd("--explain", f"{port}/tcp", path)])
        second = run([*twistd("inetd", "--explain", str(port), path)])
        self.assertEqual((first.returncode, first.stderr), (0, ""))
        self.assertEqual(first.stdout, second.stdout)
        self.assertIn(f"# {path}:1:1\n{port} on\n", first.stdout)
        with self.daemon(first.stdout, port):
            self.assertEqual(talk(port, b""), b"a  b c\n")

    def test_none(self) -> None:
        """C{--explain} fails for an unknown service, and lists those that exist."""
        path = self.write("inetd.conf", f"7007 {ECHO}\n")
        result = run([*inetd("--explain", "nix", path)])
        wanted = "'nix' is not a service (7007/tcp)\n"
        self.assertEqual(
            (result.returncode, result.stdout, result.stderr), (1, "", wanted)
        )
