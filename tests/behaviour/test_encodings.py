# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Configurations that are not ASCII, or not UTF-8, in any locale."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess

from tests.support import interpreters, users
from tests.support.daemon import DEADLINE, Daemon, environment, freePort, talk
from tests.support.serving import ServingTestCase, inetd, readAll

#: Writes its argument as bytes: the program's Python is in the locale, too.
_ECHO = "import sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]) + b'\\n')"
_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class EncodingsTests(ServingTestCase):
    """A daemon and commands in locales that are not UTF-8."""

    def locales(self) -> list[dict[str, str]]:
        """Return variables of such locales, of those that can be made here."""
        found = [_ASCII]
        localedef = shutil.which("localedef")
        for name, source, charmap in (
            ("en_US.ISO-8859-1", "en_US", "ISO-8859-1"),
            ("ru_RU.KOI8-R", "ru_RU", "KOI8-R"),
        ):
            if localedef is None or not os.path.isdir("/usr/share/i18n"):
                continue
            path = self.path(name)
            argv = [localedef, "-i", source, "-f", charmap, path]
            subprocess.run(argv, capture_output=True, timeout=DEADLINE, check=False)
            if os.path.isdir(path):
                found.append({"LC_ALL": name, "LOCPATH": self.directory})
        return found

    def writeBytes(self, name: str, data: bytes, mode: int = 0o644) -> bytes:
        """Write a file, and return its path."""
        path = os.path.join(os.fsencode(self.directory), name.encode())
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path

    def writePrograms(self) -> None:
        """Write the programs and the directory of L{lines}."""
        os.mkdir(self.path("f\u00f6lder\u2026"))
        program = b"#!/bin/sh\necho program\n"
        self.writeBytes("pr\u00f6gram\u2026.sh", program, 0o755)
        warm = f"#!{interpreters.python()} -IS\nimport os\n{_ECHO}\n"
        self.writeBytes("w\u00e4rm\u2026.py", warm.encode(), 0o755)
        # A program that no other root directory has.
        self.writeBytes("f\u00f6lder\u2026/there", b"", 0o755)

    def lines(self) -> tuple[bytes, dict[int, bytes], bytes]:
        """
        Return lines whose words are not ASCII.

        @return: the lines, what their programs answer by port, and the path of a
            socket.
        """
        self.writePrograms()
        directory = self.path("f\u00f6lder\u2026").encode()
        there = self.path("s\u00f6ck\u2026").encode()
        ports = [freePort() for _ in range(8)]
        key = b"%d on protocol = tcp, wait = no, user = -, "
        text = "gr\u00fc\u00df\u2026".encode()
        lines = [
            b"%d stream tcp nowait - /bin/echo echo " % ports[0] + text,
            b"%d stream tcp nowait - /bin/echo echo caf\xe9" % ports[1],
            b"%d stream tcp nowait - " % ports[2]
            + "./pr\u00f6gram\u2026.sh x".encode(),
            key % ports[3] + b'exec = /bin/pwd, directory = "%s";' % directory,
            key % ports[4]
            + b"exec = /bin/sh, args = sh -c 'echo $G', env = G=\xfc%s;" % text,
            key % ports[5]
            + b"exec = /bin/echo, args = echo direct %s, launch = direct;" % text,
            key % ports[6]
            + "exec = ./w\u00e4rm\u2026.py, args = w ".encode()
            + b"%s, warm = yes;" % text,
            there + b" stream unix nowait - /bin/echo echo socket",
        ]
        answers = {
            ports[0]: text,
            ports[1]: b"caf\xe9",
            ports[2]: b"program",
            ports[3]: directory,
            ports[4]: b"\xfc" + text,
            ports[5]: b"direct " + text,
            ports[6]: text,
        }
        if users.ROOT:
            lines.append(key % ports[7] + b'exec = /there, chroot = "%s";' % directory)
        return b"# K\xfcche \0\n" + b"\n".join(lines) + b"\n", answers, there

    def assertServes(self, answers: dict[int, bytes], there: bytes) -> None:
        """Assert that programs answer as they should."""
        for port, text in answers.items():
            self.assertEqual(talk(port, b""), text + b"\n")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(there)
            self.assertEqual(readAll(client), b"socket\n")

    def test_locales(self) -> None:
        """
        A file is served byte for byte in any locale, also after SIGHUP.

        Commands print it in UTF-8, and C{--check} warns once for each line.
        """
        lines, answers, there = self.lines()
        mux = freePort()
        first = b"%d stream tcp nowait - internal echo\n" % mux
        control = self.path("control")
        for given in self.locales():
            with self.subTest(**given):
                conf = os.fsdecode(self.writeBytes("inetd.conf", first))
                env = environment(None, **given, INETD_CONTROL=control)
                daemon = Daemon(inetd("-f", "-e", conf), ports=[mux], env=env)
                with daemon:
                    self.writeBytes("inetd.conf", first + lines)
                    daemon.process.send_signal(signal.SIGHUP)
                    daemon.waitForLog("] reload - ")
                    self.assertServes(answers, there)
                    shown = self.ask(env, "status")
                    self.assertIn("/s\u00f6ck\u2026", shown)
                    name = os.fsdecode(there) + "/unix"
                    for command in ("pause", "resume"):
                        self.assertIn("s\u00f6ck", self.ask(env, command, name))
                    daemon.waitForLog("/s\u00f6ck\u2026")
                    self.assertNotIn("Traceback", daemon.log())
                with Daemon(inetd("-f", "-e", conf), ports=[mux], env=env) as daemon:
                    daemon.waitForLog("warm-ready ")
                    self.assertServes(answers, there)
                    self.assertNotIn("Traceback", daemon.log())
                checked = self.ask(env, "--check", conf)
                self.assertEqual(checked.count("is not UTF-8"), 2, checked)
                self.assertIn(", 0 errors, 2 warnings", checked)

    def ask(self, env: dict[str, str], *words: str) -> str:
        """Return the output of a command."""
        done = subprocess.run(
            inetd(*words), env=env, capture_output=True, timeout=DEADLINE, check=False
        )
        self.assertNotIn(b"Traceback", done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout.decode()

    def test_nul(self) -> None:
        """A NUL in a field is one error, and the other lines are served."""
        port = freePort()
        text = (
            b"# \0\n%d stream tcp nowait - internal echo\n"
            b"7 stream tcp nowait - /bin/true \0 \0\n"
            b"7 on protocol = tcp, user = -, exec = /bin/true,\n args = \0;\n" % port
        )
        conf = os.fsdecode(self.writeBytes("inetd.conf", text))
        with Daemon(inetd("-f", "-e", conf), ports=[port]) as daemon:
            self.assertEqual(talk(port, b"x"), b"x")
            daemon.waitForLog("must not have a NUL character in it", 2)
            self.assertEqual(daemon.log().count("NUL"), 2)
