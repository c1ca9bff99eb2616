# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.diagnosis}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.loader import Configuration, fromStatements
from inetdtw.config.parser import parse
from inetdtw.model.service import Settings
from inetdtw.system.lookups import Lookups
from inetdtw.test.fakelookups import lookups

ROOT, ALPINE = lookups(), lookups(1000, 1000)


def configurationOf(text: str, ask: Lookups = ROOT) -> Configuration:
    """Return the configuration of a text."""
    return fromStatements(parse(text, "f"), Settings(), ask)


class AllErrorsTests(SynchronousTestCase):
    """Tests for the errors of one entry."""

    def assertErrors(
        self, text: str, errors: str, warnings: str = "", ask: Lookups = ROOT
    ) -> Configuration:
        """Assert that a text has exactly these errors and warnings, by their fields."""
        found = configurationOf(text, ask)
        self.assertEqual(" ".join(e.field for e in found.problems), errors, text)
        self.assertEqual(" ".join(e.field for e in found.warnings), warnings, text)
        return found

    def test_line(self) -> None:
        """All errors of a line are found, each in its column, and the warning."""
        text = "nosuch stream tcp nowait carl /nosuch nosuch"
        found = self.assertErrors(text, "service user", "exec")
        self.assertEqual([e.location.column for e in found.problems], [1, 26])
        self.assertEqual([e.location.column for e in found.warnings], [31])
        self.assertEqual(found.services, ())

    def test_fields(self) -> None:
        """An error of a field's form does not hide those of other fields."""
        for text, errors in (
            ("7 steam tcpp maybe carl:crew /bin/sh",
             "socktype protocol wait user group"),
            ("nosuch steam tcp nowait - /bin/sh", "service socktype"),
            ("nosuch stream tcpp nowait beth:crew /bin/sh", "protocol group"),
            ("7 stream,x tcp,buf=1 nowait.x carl /bin/sh",
             "accept_max protocol service_max user"),
            ("a: stream tcp nowait carl /bin/sh", "service user"),
            ("nohost:7 stream tcp nowait carl /bin/sh", "bind user"),
            ("[x]:nosuch steam tcp nowait carl /bin/sh", "bind service socktype user"),
        ):  # fmt: skip
            self.assertErrors(text, errors)

    def test_keys(self) -> None:
        """All keys that do not exist are found at once."""
        text = (
            "7 on socket_type=stream, protocol=tcp, server=/bin/sh, user=carl,\n"
            " server_args=-i, only_from=10.0.0.0, instances=3, nise=4, umaks=022;"
        )
        errors = "socket_type server user server_args only_from instances nise umaks"
        found = self.assertErrors(text, errors)
        self.assertIn("did you mean nice?", str(found.problems[-2]))
        self.assertIn("did you mean umask?", str(found.problems[-1]))

    def test_values(self) -> None:
        """All values that cannot be used are found."""
        text = (
            "7 on protocol=tcp, wait=maybe, user=carl, exec=/bin/sh, nice=50,\n"
            " chroot=/no/such, socket_mode=0600, launch=direct, preload=x;"
        )
        errors = "wait user nice chroot socket_mode launch preload"
        self.assertErrors(text, errors)

    def test_noFollowUp(self) -> None:
        """An error has no consequences that are reported too."""
        for text, errors in (
            ("7 on protocol=tcpp, wait=no, user=-, exec=/bin/sh, nodelay=yes;",
             "protocol"),
            ("7 on protocl=tcp, wait=no, user=-, exec=/bin/sh;", "protocl"),
            ("tftp on protocl=udp, wait=no, user=-, exec=/bin/sh;", "protocl"),
            ("7 on protocol=tcp, wait=no, user=-, server=/bin/sh, args=x -y;",
             "server"),
            ("7 on protocol=tcp, wiat=no, user=-, exec=/bin/sh;", "wiat"),
            ("7 on protocol=tcp, wait=no, usr=-, exec=/bin/sh;", "usr"),
            ("/s on protocol=tcp, wait=no, user=-, exec=/bin/sh, socket_mode=0600;",
             "protocol"),
            ("tcpmux/x on protocol=udp, wait=no, user=-, exec=/bin/sh;", "protocol"),
            ("tcpmux/x on protocol=tcp, wait=no, user=-, sever=/bin/sh;", "sever"),
            ("nosuch stream tcp nowait root internal", "service"),
            ("nosuch stream tcp nowait carl internal", "service"),
            ("77 stream tcp nowait root internal", "args"),
        ):  # fmt: skip
            self.assertErrors(text, errors)

    def test_warningOfError(self) -> None:
        """A warning about the very word that has an error is left out."""
        self.assertErrors("7#x stream tcp nowait - /bin/sh", "service")
        self.assertErrors("7 stream tcp nowait carl#x /bin/sh", "user")

    def test_onlyIPv6(self) -> None:
        """A service that is left out draws no warning about IPv4."""
        text = "nosuch stream tcp nowait - /bin/sh\nnosuch stream tcp6 nowait - /bin/sh"
        self.assertErrors(text, "service service")

    def test_ordinaryUser(self) -> None:
        """An ordinary user gets no further error for the group."""
        text = "7 stream tcp nowait carl:mail /bin/sh"
        self.assertErrors(text, "user", "", ALPINE)


class SummaryTests(SynchronousTestCase):
    """Tests for the summary of what only root can run."""

    TEXT = """\
7 stream tcp nowait root /bin/sh
8 stream tcp nowait - /bin/sh
9 stream tcp nowait beth /bin/sh
10 stream tcp nowait alpine:mail /bin/sh
11 stream tcp nowait carl /bin/sh
12 stream tcp nowait root /bin/sh
"""

    def test_summary(self) -> None:
        """It is one message at the first line, and all are counted."""
        found = configurationOf(self.TEXT, ALPINE)
        self.assertEqual(
            [each.location.line for each in found.problems], [1, 3, 4, 5, 6]
        )
        self.assertEqual(len(found.services), 1)
        self.assertEqual(
            [str(each) for each in found.messages],
            [
                "f:1:21: user: 4 services need root: only root can run a service as "
                "root, beth, group 8 (lines 1, 3, 4, 6); write '-' for the daemon's "
                "user",
                "f:5:22: user: unknown user 'carl': service ignored",
            ],
        )

    def test_one(self) -> None:
        """A single one has its own message."""
        found = configurationOf("7 stream tcp nowait beth /bin/sh", ALPINE)
        (message,) = found.messages
        self.assertIn("only root can run a service as 'beth'", message.reason)

    def test_many(self) -> None:
        """Many lines are not all listed."""
        found = configurationOf("7 stream tcp nowait beth /bin/sh\n" * 15, ALPINE)
        (message,) = found.messages
        self.assertIn(
            "(lines 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 5 more);", message.reason
        )


class RelevantTests(SynchronousTestCase):
    """Tests for warnings that depend on other statements."""

    def reasons(self, *lines: str) -> list[str]:
        """Return the warnings about lines."""
        return [each.reason for each in configurationOf("\n".join(lines)).warnings]

    def test_path(self) -> None:
        """PATH is named once."""
        rest = "stream tcp nowait -"
        self.assertEqual(
            self.reasons(f"7 {rest} nosuch", f"8 {rest} nosuch2", f"9 {rest} nosuch"),
            [
                "'nosuch' is not in PATH (yet): PATH is /usr/bin:/bin",
                "'nosuch2' is not in PATH (yet)",
                "'nosuch' is not in PATH (yet)",
            ],
        )

    def test_onlyIPv6(self) -> None:
        """C{tcp6} and C{udp6} draw a warning if no line has the service over IPv4."""
        for line in ("echo stream tcp6", "7 stream TCP6", "*:7 dgram udp6"):
            (reason,) = self.reasons(f"{line} nowait root internal echo")
            self.assertIn("IPv6 only, and no line has the service over IPv4", reason)
            self.assertIn("p46 for both", reason)
        (reason,) = self.reasons(
            "7 stream tcp6 nowait - /bin/sh", "7 dgram udp nowait - /bin/sh"
        )
        self.assertIn("'tcp6' is IPv6 only", reason)

    def test_besideIPv4(self) -> None:
        """They do not with such a line, with an address, or with C{tcp6only}."""
        six = "7 stream tcp6 nowait - /bin/sh"
        for lines in (
            ("7 stream tcp nowait - /bin/sh", six),
            (six, "echo stream tcp4 nowait root internal"),
            (six, "127.0.0.1:7 stream tcp nowait root internal"),
            ("[::1]:7 stream tcp6 nowait - /bin/sh",),
            ("[::]:7 stream tcp6 nowait - /bin/sh",),
            ("7 stream tcp6only nowait - /bin/sh",),
            ("7 stream tcp46 nowait - /bin/sh",),
        ):
            self.assertEqual(self.reasons(*lines), [], lines)

    def test_besideError(self) -> None:
        """A line for IPv4 that is left out has its own message."""
        found = configurationOf(
            "7 stream tcp nowait carl /bin/sh\n7 stream tcp6 nowait - /bin/sh"
        )
        self.assertEqual((len(found.problems), found.warnings), (1, ()))
