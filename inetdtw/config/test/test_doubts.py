# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.doubts}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.doubts import doubts
from inetdtw.config.entry import Entry
from inetdtw.config.parser import parse
from inetdtw.config.resolver import resolve
from inetdtw.model.errors import ConfWarning
from inetdtw.model.service import Settings
from inetdtw.test.fakelookups import lookups


def doubtsOf(line: str) -> list[ConfWarning]:
    """Return the warnings about a line."""
    (entry,) = (each for each in parse(line, "f") if isinstance(each, Entry))
    (service,) = resolve(entry, Settings(), lookups()).services
    return list(doubts(entry, service))


class NameTests(SynchronousTestCase):
    """Tests for the warning about C{argv[0]}."""

    def assertDoubted(self, command: str, use: str) -> None:
        """Assert that a command has a warning that says what to write."""
        (warning,) = doubtsOf(f"7 stream tcp nowait - {command}")
        self.assertEqual((warning.field, warning.location.line), ("args", 1))
        self.assertIn("is argv[0], the program's own name", warning.reason)
        self.assertTrue(warning.reason.endswith(f"write {use}"), warning.reason)

    def test_script(self) -> None:
        """An interpreter whose script is C{argv[0]} has no script."""
        for interpreter in (
            *("python", "python3", "python3.13", "perl", "perl5.36.0", "sh", "bash"),
            *("dash", "ksh", "ash", "zsh", "ruby", "ruby3.1", "lua", "lua5.4", "node"),
            *("nodejs", "php", "php8.2", "tclsh", "tclsh8.6", "guile", "guile-3.0"),
        ):
            for rest in ("/opt/x", "/opt/x --port 80", "x.py", "x.pl -f /etc/x.conf"):
                script = rest.split()[0]
                self.assertDoubted(
                    f"/usr/bin/{interpreter} {rest}", f"{interpreter} {script}"
                )

    def test_input(self) -> None:
        """An interpreter without any argument runs what its clients send."""
        (warning,) = doubtsOf("7 stream tcp nowait - /usr/bin/perl fingerd")
        self.assertIn("perl runs what its clients send", warning.reason)
        (warning,) = doubtsOf("7 stream tcp nowait - /usr/bin/perl /x.pl -v")
        self.assertIn("perl ignores it", warning.reason)

    def test_scriptNamed(self) -> None:
        """An interpreter that has its own name, or a script, is as it should be."""
        for command in (
            *("/usr/bin/python3 python3 /opt/x.py", "/bin/sh sh", "/bin/sh", "sh"),
            *("/usr/bin/python3 /usr/bin/python3 /opt/x.py", "/bin/sh bash /opt/x"),
            *("/usr/bin/python3 /opt/x.py /opt/x.py", "/usr/bin/python3 x x.py"),
            *("/usr/bin/python3 gopher -m gopher", "/bin/sh backup -c 'exec cat'"),
            *("/usr/bin/python3.11 python /opt/x.py", "/usr/bin/perl fingerd /x.pl"),
            *("/opt/x.py", "/opt/x.py x.py", "/opt/x.py /opt/x.py -v", "/bin/cat x.py"),
            *("/usr/sbin/tcpd /usr/sbin/in.ftpd -l", "/usr/bin/rsh x.py"),
        ):
            self.assertEqual(doubtsOf(f"7 stream tcp nowait - {command}"), [], command)

    def test_option(self) -> None:
        """An option in place of C{argv[0]} is not read by the program."""
        self.assertDoubted("/usr/sbin/nullidentd -u ident", "nullidentd -u")
        self.assertDoubted("/bin/sh -i", "sh -i")
        self.assertDoubted("dropbear -i", "dropbear -i")
        self.assertDoubted("/bin/cat -", "cat -")

    def test_loginShell(self) -> None:
        """A hyphen in front of the name of a shell makes it a login shell."""
        for command in ("/bin/sh -sh", "/bin/bash -bash -i", "/bin/sh -bash"):
            self.assertEqual(doubtsOf(f"7 stream tcp nowait - {command}"), [], command)
        self.assertEqual(doubtsOf("7 stream tcp nowait - /opt/mysh -mysh"), [])

    def test_env(self) -> None:
        """The first argument of C{env} is its own name too."""
        self.assertDoubted("/usr/bin/env python3 /opt/x.py", "env python3")
        self.assertDoubted("/usr/bin/env /opt/x.py", "env /opt/x.py")
        self.assertDoubted("/usr/bin/env LANG=C /opt/x", "env LANG=C")
        for command in ("env env python3 /opt/x.py", "env env LANG=C x", "env"):
            self.assertEqual(doubtsOf(f"7 stream tcp nowait - /usr/bin/{command}"), [])

    def test_busybox(self) -> None:
        """C{busybox} takes its applet from C{argv[0]}."""
        self.assertDoubted("/bin/busybox /opt/x.sh", "sh /opt/x.sh")
        for command in ("sh /opt/x.sh", "busybox sh /opt/x.sh", "/bin/sh /opt/x.sh"):
            self.assertEqual(
                doubtsOf(f"7 stream tcp nowait - /bin/busybox {command}"), []
            )

    def test_definition(self) -> None:
        """The key C{args} begins with C{argv[0]} as well."""
        start = "7 on protocol=tcp, wait=no, user=-, exec=/bin/sh, args="
        (warning,) = doubtsOf(f"{start}-i;")
        self.assertEqual(warning.location.column, len(start) + 1)


class DatagramTests(SynchronousTestCase):
    """Tests for the warning about C{dgram nowait}."""

    def test_shared(self) -> None:
        """A program that needs the service's socket draws a warning with nowait."""
        for command in (
            *("/usr/sbin/in.tftpd in.tftpd -s /srv", "tftpd tftpd -l /srv", "tftpd"),
            *("/usr/sbin/atftpd atftpd", "/usr/sbin/tftpd-hpa tftpd", "utftpd"),
            *("/usr/sbin/in.talkd", "ntalkd", "in.ntalkd", "comsat", "in.comsat"),
            *("bootpd", "dhcpd", "rpc.statd", "rpc.rstatd", "statd", "amandad"),
            *("/usr/sbin/tcpd /usr/sbin/in.tftpd -s /srv", "busybox tftpd -l /srv"),
            *("busybox busybox tftpd", "/usr/bin/env env tftpd"),
        ):
            (warning,) = doubtsOf(f"69 dgram udp nowait - {command}")
            self.assertEqual((warning.field, warning.location.column), ("wait", 14))
            self.assertTrue(warning.reason.endswith("write wait"), warning.reason)

    def test_others(self) -> None:
        """No other program does, and none with wait or over tcp."""
        for line in (
            *("dgram udp wait - tftpd", "stream tcp nowait - in.tftpd"),
            *("dgram udp nowait - /bin/cat cat", "dgram udp nowait root internal echo"),
            "dgram udp nowait - /opt/mytftp tftp",
        ):
            self.assertEqual(doubtsOf(f"69 {line}"), [], line)
