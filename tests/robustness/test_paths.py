# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Paths that are not regular files where the daemon expects one.

The daemon neither opens, waits for, nor reads them, and one message names the type.
"""

from __future__ import annotations

import os
import signal
import socket

from tests.support import users
from tests.support.daemon import Daemon, freePort, talk
from tests.support.serving import ServingTestCase, inetd, run

#: What there can be, for a person.
KINDS = {
    "fifo": "is a FIFO, not a regular file",
    "directory": "is a directory, not a regular file",
    "socket": "is a socket, not a regular file",
    "zero": "is a character device, not a regular file",
    "tty": "is a character device, not a regular file",
}


class KindsTests(ServingTestCase):
    """Files of all kinds."""

    def setUp(self) -> None:
        """Make files of all types, in a directory of the service's user."""
        super().setUp()
        theirs = self.path("theirs")
        os.mkdir(theirs)
        self.paths = {name: os.path.join(theirs, name) for name in KINDS}
        os.mkfifo(self.paths["fifo"])
        os.mkdir(self.paths["directory"])
        bound = socket.socket(socket.AF_UNIX)
        self.addCleanup(bound.close)
        bound.bind(self.paths["socket"])
        os.symlink("/dev/zero", self.paths["zero"])
        os.symlink("/dev/ptmx", self.paths["tty"])
        self.user = "-"
        if users.ROOT:
            user = users.alpine()
            self.user = user.pw_name
            for path in (theirs, *self.paths.values()):
                os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
        for name in ("fifo", "directory", "socket"):
            os.chmod(self.paths[name], 0o755)
        self.port = freePort()
        self.echo = f"{self.port} stream tcp nowait - internal echo\n"

    def line(self, path: str, more: str) -> str:
        """Return a line for a program."""
        return (
            f"{freePort()} on protocol = tcp, wait = no, user = {self.user},"
            f" exec = {path}{more};\n"
        )

    def test_programs(self) -> None:
        """
        As a program, each draws one message of C{--check}.

        So does C{--explain} if the line cannot be served.
        """
        for name, message in KINDS.items():
            for more in ("", ", warm = yes"):
                with self.subTest(name, more=more):
                    line = self.line(self.paths[name], more)
                    conf = self.write("inetd.conf", self.echo + line)
                    done = run(inetd("--check", "--warm", conf))
                    self.assertEqual(done.stdout.count(message), 1, done.stdout)
                    self.assertEqual(done.returncode, 1 if more else 0)
                    port = line.partition(" ")[0]
                    done = run(inetd("--explain", port, "--warm", conf))
                    self.assertEqual(message in done.stdout + done.stderr, bool(more))

    def test_reload(self) -> None:
        """
        A daemon starts and reloads with each in the place of a program.

        It answers SIGHUP, C{resume} and clients meanwhile.
        """
        path = self.program("program", "print('fine')\n")
        lines = "".join(self.line(each, "") for each in self.paths.values())
        control = self.path("control")
        line = self.line(path, "")
        conf = self.write("inetd.conf", self.echo + line + lines)
        name = f"{line.partition(' ')[0]}/tcp"
        served = Daemon(
            inetd("-f", "-e", "--warm", "--control", control, conf), ports=[self.port]
        )
        with served:
            for kind, message in KINDS.items():
                self.assertIn(f"'{self.paths[kind]}' {message}", served.log())
            count = served.log().count("] reload - ")
            for kind, message in KINDS.items():
                os.rename(path, f"{path}.{kind}")
                os.symlink(self.paths[kind], path)
                served.process.send_signal(signal.SIGHUP)
                count += 1
                served.waitForLog("] reload - ", count)
                self.assertIn(f"'{path}' {message}", served.log())
                self.assertEqual(talk(self.port, b"x"), b"x")
                done = run(inetd("resume", name, "--control", control))
                self.assertEqual(done.returncode, 0, done.stderr)
                os.unlink(path)
                os.rename(f"{path}.{kind}", path)

    def test_configuration(self) -> None:
        """
        As a configuration file, each draws one message that names it.

        The file is one of a directory, or included.
        """
        lines = f".include {os.path.dirname(self.paths['fifo'])}/*\n"
        conf = self.write("inetd.conf", self.echo + lines)
        for given in (conf, os.path.dirname(self.paths["fifo"])):
            done = run(inetd("--check", given))
            self.assertEqual(done.returncode, 1)
            for name, message in KINDS.items():
                shown = f"'{self.paths[name]}' {message}"
                self.assertEqual(done.stdout.count(shown), 1, done.stdout)
