# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Log lines that clients and programs try to forge."""

from __future__ import annotations

import re
import socket

from tests.support.daemon import (
    DEADLINE,
    Daemon,
    freePort,
    talk,
    twistd,
)
from tests.support.serving import ServingTestCase, inetd, readAll, run

#: A file name with control characters, and how it is shown.
_ODD = "s\x1b[31m\tt\x9bA\u202eb\x07"
_SHOWN = "s\\x1b[31m\\tt\\x9bA\\u202eb\\x07"


class ForgeryTests(ServingTestCase):
    """Log lines that clients and programs try to forge."""

    def test_control(self) -> None:
        """
        No control character gets into the log, nor a forged line.

        Clients, standard error and file names contain them.
        """
        mux, complains = freePort(), freePort()
        forged = "x\\r\\x1b[2Jend 7/tcp pid=1\\x85\\u2028forged"
        program = self.program(
            "complains",
            f"import sys\nsys.stderr.buffer.write({forged!r}.encode() + b'\\n')\n",
        )
        name = "a\x1b[31m\rstart forged\n"
        self.write(name, "nonsense\n")
        conf = (
            f"{mux} stream tcp nowait - internal tcpmux\n"
            f"{complains} on protocol = tcp, wait = no, user = -, exec = {program},"
            " stderr = log;\n"
            '.include "a*"\n'
        )
        daemon = self.daemon(conf, mux, complains)
        with daemon:
            talk(mux, b"x\r\x1b[2Jstart forged\x85\xe2\x80\xa8end\r\n")
            talk(complains, b"")
            daemon.waitForLog("unknown service tcpmux/x")
            daemon.waitForLog("stderr ")
            daemon.waitForLog("field=socktype")
            log = daemon.log()
        self.assertNotRegex(log, "[^\\n\\t\\x20-\\x7e]")
        for line in log.splitlines():
            self.assertRegex(line, r"^(\t|\d{4}-)")
        self.assertFalse(re.search(r"^\S+ \[\S+\] (start|end) forged", log, re.M))

    def test_everywhere(self) -> None:
        """
        Escape sequences in the path of a socket are escaped everywhere.

        This is the log in both formats, metrics, and the output of all commands.
        """
        odd, shown = _ODD, _SHOWN
        control = self.path("control")
        conf = self.odd()
        path = self.path(odd)
        for form in ("text", "json"):
            argv = ("-f", "-e", "--control", control, "--log-format", form, conf)
            daemon = Daemon(inetd(*argv))
            with daemon:
                daemon.waitForLog("bind-failed")
                daemon.waitForLog("listen ", 2)
                written = shown.replace("\\", "\\\\") if form == "json" else shown
                self.assertEscaped(daemon.log(), written)
                name = f"{path}/unix"
                for words, text in (
                    (("status",), shown),
                    (("status", "--json"), ""),
                    (("health",), shown),
                    (("pause", name), shown),
                    (("resume", name), shown),
                    (("resume", f"{odd}?"), shown),
                    (("reload",), ""),
                ):
                    done = run(inetd(*words, "--control", control))
                    self.assertEscaped(done.stdout + done.stderr, text)
                metrics = self.asked(control, b"/metrics")
                self.assertEscaped(metrics, shown.replace("\\", "\\\\"))

    def odd(self) -> str:
        """Write a file with sockets that have such a path."""
        path = self.path(_ODD)
        return self.write(
            "inetd.conf",
            f"{freePort()} stream tcp nowait - internal echo\n"
            f'"{path}" stream unix nowait - internal echo\n'
            f'"{path}/no" stream unix nowait - internal echo\n',
        )

    def test_errors(self) -> None:
        """Escape sequences in words of the command line are escaped in its output."""
        odd, conf = _ODD, self.odd()
        path = self.path(odd)
        given: tuple[tuple[str, ...], ...] = (
            ("--check", conf),
            ("--explain", path, conf),
            ("--explain", f"{odd}?", conf),
            ("--check", path),
            ("-p", f"{path}/pid", conf),
            ("--control", odd, "--max-child", odd, conf),
            ("status", "--control", path),
        )
        for each in given:
            done = run(inetd(*each))
            self.assertEscaped(done.stdout + done.stderr, "")
        done = run(twistd("inetd", "--max-child", odd))
        self.assertEscaped(done.stdout + done.stderr, _SHOWN)
        done = run(twistd("inetd", path))
        self.assertEscaped(done.stdout + done.stderr, _SHOWN)

    def asked(self, path: str, what: bytes) -> str:
        """Return the body of an answer of the control socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            client.sendall(b"GET %s HTTP/1.0\r\n\r\n" % what)
            return readAll(client).partition(b"\r\n\r\n")[2].decode()

    def assertEscaped(self, printed: str, shown: str) -> None:
        """Assert that a text has no control characters, and what it must show."""
        self.assertIn(shown, printed)
        self.assertFalse(re.search("[^\n\\x20-\\x7e]", printed), repr(printed))
