# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.foreign}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.foreign import checkFormat, onlyComments
from inetdtw.config.test.statements import CAT, services, statements
from inetdtw.model.errors import ConfError


class FormatTests(SynchronousTestCase):
    """Tests for L{checkFormat}."""

    def test_others(self) -> None:
        """A file of another format is recognised by its first statement."""
        for text, what, line in (
            ("service tftp\n{\n socket_type = dgram\n}\n", "xinetd", 1),
            ("\n# a comment\nservice ftp {\n}\n", "xinetd", 3),
            ("service\tx\n# why\n\n{\n}\n", "xinetd", 1),
            ("defaults\r\n{\r\n}\r\n", "xinetd", 1),
            ("defaults { }\n", "xinetd", 1),
            ("#\nincludedir /etc/xinetd.d\n", "xinetd", 2),
            ("include /etc/x.conf", "xinetd", 1),
            ("[Unit]\nDescription=x\n", "systemd", 1),
            ("; a comment\n# another\n\n[Socket]\n", "systemd", 4),
            ("[X-Extra]", "systemd", 1),
            ('<?xml version="1.0"?>\n<plist>', "launchd", 1),
            ('<plist version="1.0">', "launchd", 1),
            ("bplist00\0", "launchd", 1),
            ("defaults{\n}", "xinetd", 1),
            ("service x # why\n{\n}", "xinetd", 1),
            ("  service x\n  {\n  }", "xinetd", 1),
            ("include xinetd.d/tftp\nservice x\n{", "xinetd", 1),
            ('service "ftp" {\n', "rlinetd", 1),
            ("[Unit] # x\n", "systemd", 1),
            ("[X-Foo.Bar]\n", "systemd", 1),
            ("[program:cat]\ncommand=/bin/cat\n", "INI", 1),
            ("<?xml?>\n<service_bundle>", "SMF", 1),
            ("\n<!-- x -->\n<p/>", "XML", 2),
            ("<!doctype html>\n<html>", "HTML", 1),
        ):
            problem = self.assertRaises(ConfError, checkFormat, text, "/f")
            self.assertEqual(problem.field, "file")
            self.assertIn(f" {what}", problem.reason)
            self.assertEqual(str(problem.location), f"/f:{line}:1")

    def test_ours(self) -> None:
        """A file that begins with a line of inetd.conf is one, whatever follows."""
        for text in (
            "",
            "# only a comment",
            f"service {CAT}\n",
            f"defaults {CAT}\n{{\n",
            "service on protocol = tcp;",
            "[::1]:\n",
            f"[::1]:7 {CAT}\n",
            f"7 {CAT}\nservice x\n{{\n}}\n[Unit]\n",
            '.include "x"\n',
            f"include {CAT}\n",
            "service x\n# {\n",
            "service x #{\n",
            "defaultsx {\n}",
        ):
            checkFormat(text, "/f")

    def test_oddLine(self) -> None:
        """A first line of another format is one odd line, if others are ours."""
        for first in ("includedir /etc/x", "[Unit]", "service x {", "<x>", "defaults{"):
            for other in (
                *(
                    f"7 {CAT}",
                    "  7 STREAM tcp NOWAIT u p",
                    "7 dgram,2:f udp wait.5 u p",
                ),
                *("7 on protocol = tcp;", ".include x"),
            ):
                checkFormat(f"{first}\n# x\n{other}\n", "/f")

    def test_time(self) -> None:
        """A long file takes linear time."""
        for text in ("service x\n" + "#" * 50000, "defaults" + "\n#" * 50000):
            checkFormat(text, "/f")


class CommentTests(SynchronousTestCase):
    """Tests for L{onlyComments}."""

    def test_comments(self) -> None:
        """The lines of a text are counted if all are comments."""
        for text, count in (
            ("", 0),
            ("\n \n", 0),
            ("#", 1),
            ("\n # x\n\n#y\n", 2),
            (f"# x\n7 {CAT}\n", 0),
        ):
            self.assertEqual(onlyComments(text), count, text)


class DialectTests(SynchronousTestCase):
    """Tests for lines in the forms of other systems."""

    def test_rpc(self) -> None:
        """A line for RPC is one error, which names the system; others are served."""
        for line, system, column in (
            ("rpc dgram udp wait root /d 100068 2-5 d", "HP-UX", 1),
            ("rpc stream tcp nowait root /d 150001 1 d", "HP-UX", 1),
            ("rpc xti tcp swait root /d 100083 1 d", "HP-UX", 1),
            ("rstatd sunrpc_udp udp wait root /d rstatd 100001 1-3", "AIX", 8),
            ("rexd sunrpc_tcp tcp wait root /d rexd 100017 1", "AIX", 6),
            ("100235/1 tli rpc/tcp wait root /d d", "Solaris", 14),
            ("100410/1 dgram rpc/udp wait root /d d", "Solaris", 16),
            ("rstatd/2-4 dgram rpc/ticlts wait root /d d", "Solaris", 18),
            ("rusersd/2-3 tli rpc/datagram_v,circuit_v wait root /d d", "Solaris", 17),
            ("ufsd/1 tli rpc/* wait root /d d", "Solaris", 12),
            ("100155/1 xti rpc/ticotsord wait root /d d", "Solaris", 14),
            ("rquotad/1 tli rpc/datagram_v wait root /d d", "Solaris", 15),
            ("ocfserv/1 tli rpc/ticotsord wait root /d d", "Solaris", 15),
        ):
            found, other = statements(f"{line}\n8 {CAT}\n")
            assert isinstance(found, ConfError)
            wanted = f"a line of {system}: RPC registration is not supported"
            self.assertEqual((found.reason, found.location.column), (wanted, column))
            self.assertNotIsInstance(other, ConfError)

    def test_fields(self) -> None:
        """Words that only other systems have are errors that say what to write."""
        for line, field, reason in (
            ("tftp dgram udp6 SRC nobody /d tftpd -n", "wait", "AIX"),
            ("bootps dgram udp swait root /d d", "socktype", "HP-UX for XTI"),
            ("x xti tcp nowait root /d d", "socktype", "HP-UX for XTI"),
            ("x tli tcp nowait root /d d", "socktype", "Solaris for TLI"),
        ):
            (found,) = statements(line)
            assert isinstance(found, ConfError)
            self.assertEqual(found.field, field)
            self.assertIn(reason, found.reason)

    def test_name(self) -> None:
        """A service that is named rpc is a service."""
        self.assertEqual(services(f"rpc {CAT}\nrpc {CAT} -1\n"), ["rpc", "rpc"])
