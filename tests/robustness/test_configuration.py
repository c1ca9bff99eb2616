# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Faults of the configuration file when it is read again, and of what it names."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess

from tests.support import interpreters, users
from tests.support.daemon import DEADLINE, Daemon, eventually, freePort, talk
from tests.support.faults import FaultsTestCase
from tests.support.serving import inetd

#: What is logged for a reload that changes nothing.
REJECTED = "reason=the old configuration stays"


class FileTests(FaultsTestCase):
    """Errors of the file at a SIGHUP."""

    def _hup(self, daemon: Daemon, reason: str) -> None:
        """Check that a reload is rejected with a log line, and all is served."""
        count = daemon.log().count(REJECTED)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog(REJECTED, count + 1)
        self.assertIn(reason, daemon.log())
        self.othersAnswer()

    def test_file(self) -> None:
        """
        A file that cannot be read changes and blocks nothing until it is good.

        It is missing, empty, a directory, a FIFO, 50 MB of noise, 9 MB without a good
        line, without an end, or closed to the daemon's user.
        """
        daemon = self.served("")
        path = self.path("inetd.conf")
        good = path + ".good"
        os.rename(path, good)
        self._hup(daemon, "No such file or directory")
        self.write("inetd.conf", "")
        self._hup(daemon, "nothing to serve")
        os.unlink(path)
        os.mkdir(path)
        self._hup(daemon, "nothing to serve")
        os.rmdir(path)
        os.mkfifo(path)
        self._hup(daemon, "is a FIFO, not a regular file")
        os.unlink(path)
        with open(path, "wb") as file:
            for _ in range(50):
                file.write(os.urandom(1 << 20))
        self._hup(daemon, "larger than 10 MB")
        with open(path, "wb") as file:
            file.write(b"a\n" * (9 << 19))
        self._hup(daemon, "more than 1000 errors")
        os.unlink(path)
        os.symlink("/dev/zero", path)
        self._hup(daemon, "is a character device, not a regular file")
        os.unlink(path)
        os.symlink("inetd.conf", path)
        self._hup(daemon, "Too many levels of symbolic links")
        os.unlink(path)
        os.rename(good, path)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("reload - kept=3 ")
        self.othersAnswer()

    def test_hundred(self) -> None:
        """
        Of a hundred SIGHUPs the last reload has the last file.

        They are few reloads, and no client is interrupted.
        """
        daemon = self.served("")
        client = self.connect(self.others[1])
        for _ in range(99):
            daemon.process.send_signal(signal.SIGHUP)
        more = freePort()
        line = f"{more} stream tcp nowait - internal echo\n"
        self.write("inetd.conf", self.lines + line)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("reload - kept=3 changed=0 started=1 ")
        self.assertEqual(talk(more, b"more"), b"more")
        self.othersAnswer()
        client.sendall(b"still")
        self.assertEqual(client.recv(100), b"still")


class NamedTests(FaultsTestCase):
    """Programs, users and ports that change while the daemon runs."""

    def test_program(self) -> None:
        """
        A deleted program closes its clients, and a new one serves the next.

        Each closed client draws a log line. No SIGHUP is needed, and others are not
        affected.
        """
        port = freePort()
        path = self.program("program", "print('old')\n")
        # The child of a warm process has been started when it finds nothing to be.
        ended = re.compile(
            rf"\] (?:start-failed {port}/tcp |exit {port}/tcp .* status=127 )"
        )
        for keys in ("launch = forkserver", "launch = direct", "warm = yes"):
            with self.subTest(keys):
                self.program("program", "print('old')\n")
                daemon = self.daemon(
                    f"{self.lines}{port} on protocol = tcp, wait = no, user = -,"
                    f" exec = {path}, {keys};\n",
                    *(port, *self.others),
                )
                with daemon:
                    self.assertEqual(talk(port, b""), b"old\n")
                    os.unlink(path)
                    for count in (1, 2):
                        self.assertEqual(talk(port, b""), b"")
                        eventually(
                            lambda: len(ended.findall(daemon.log())) == count,  # noqa: B023
                            daemon.log,
                        )
                    self.assertRegex(
                        daemon.log(), f"'{path}': No such|No such.*'{path}"
                    )
                    self.othersAnswer()
                    self.program("program", "print('new')\n")
                    self.assertEqual(talk(port, b""), b"new\n")
                    self.program("next", "print('newer')\n")
                    os.rename(self.path("next"), path)
                    self.assertEqual(talk(port, b""), b"newer\n")

    def test_user(self) -> None:
        """
        Services of a deleted user run on under its number.

        A reload is rejected, because the user does not exist.
        """
        name = users.addUser("temporary", self.directory).pw_name
        self.addCleanup(users.removeUser, name)
        port = freePort()
        daemon = self.served(
            f"{port} stream tcp nowait {name} /usr/bin/id id -u\n", port
        )
        number = talk(port, b"")
        self.assertGreater(int(number), 0)
        users.removeUser(name)
        self.assertEqual(talk(port, b""), number)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog(f"unknown user '{name}'")
        daemon.waitForLog(REJECTED)
        self.assertEqual(talk(port, b""), number)
        self.othersAnswer()

    def test_port(self) -> None:
        """A port in use is retried, and served when it is free; the log has both."""
        port = freePort()
        thief = socket.create_server(("0.0.0.0", port))
        try:
            daemon = self.served(f"{port} stream tcp nowait - internal echo\n")
            daemon.waitForLog("Address already in use")
            self.othersAnswer()
        finally:
            thief.close()
        daemon.waitForLog(f"listen {port}/tcp ")
        self.assertEqual(talk(port, b"mine"), b"mine")


#: Assigns an address to the loopback interface of its network namespace: the structure
#: is netdevice(7)'s, 0x8916 is C{SIOCSIFADDR}.
_ASSIGN = """
import fcntl, socket, struct, sys
host = socket.inet_aton(sys.argv[1])
request = struct.pack("16sHH4s16x", b"lo:1", socket.AF_INET, 0, host)
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8916, request)
"""


#: Has the loopback interface of a new network namespace up, and becomes a command: as
#: long as a namespace has no address at all, Linux lets every one be bound.  0x8914 is
#: C{SIOCSIFFLAGS}, 1 C{IFF_UP}.
_UP = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sH22x", b"lo", 1))
os.execv(sys.argv[1], sys.argv[1:])
"""


class AddressTests(FaultsTestCase):
    """Addresses that the machine does not have when the daemon starts."""

    if not users.ROOT:
        skip = "only root can make a network namespace"
    elif shutil.which("nsenter") is None:
        skip = "nsenter is not installed"

    def test_later(self) -> None:
        """
        A daemon stays when no address of its lines is there.

        Each service is bound by itself soon after its address is assigned.
        """
        tcp, udp = freePort(), freePort()
        conf = self.write(
            "inetd.conf",
            f"10.99.0.1:{tcp} stream tcp nowait {self.user} /bin/cat cat\n"
            f"10.99.0.1:{udp} dgram udp wait - internal echo\n",
        )
        up = ["unshare", "-n", interpreters.python(), "-c", _UP]
        with Daemon([*up, *inetd("-f", "-e", conf)]) as daemon:
            daemon.waitForLog("reason=Cannot assign requested address", 4)
            self.assertIsNone(daemon.process.poll())
            enter = [
                "nsenter",
                "-t",
                str(daemon.process.pid),
                "-n",
                interpreters.python(),
            ]
            assign = [*enter, "-c", _ASSIGN, "10.99.0.1"]
            subprocess.run(assign, check=True, timeout=DEADLINE)
            daemon.waitForLog(f"listen {tcp}/tcp address=10.99.0.1:{tcp}")
            daemon.waitForLog(f"listen {udp}/udp address=10.99.0.1:{udp}")
