# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.compat}, and for what becomes of it."""

from __future__ import annotations

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import main
from inetdtw.config import compat
from inetdtw.config.entry import Entry
from inetdtw.config.keys import KEYS
from inetdtw.config.parser import parse
from inetdtw.config.resolver import resolve
from inetdtw.model.errors import ConfError, ConfWarning
from inetdtw.model.service import Settings
from inetdtw.test.fakelookups import lookups


def problemOf(text: str) -> ConfError:
    """Return the error of the only statement of a text."""
    (found,) = parse(text, "x")
    try:
        if isinstance(found, Entry):
            resolve(found, Settings(), lookups())
    except ConfError as problem:
        return problem
    assert isinstance(found, ConfError), found
    return found


class KeyTests(SynchronousTestCase):
    """Tests for unknown keys."""

    def test_own(self) -> None:
        """No key of ours is taken for a foreign one."""
        self.assertEqual(KEYS.keys() & {*compat.FEATURES, *compat.NAMES}, set())

    def test_features(self) -> None:
        """A key for an unsupported feature is an error that names it."""
        for key, what in (
            ("only_from", "access control"),
            ("no_access", "access control"),
            ("access_times", "access by time of day"),
            ("redirect", "redirection of connections"),
            ("banner", "a banner"),
            ("rpc_version", "RPC registration"),
            ("mdns", "mDNS"),
        ):
            problem = problemOf(f"7 on protocol = tcp, {key} = x;")
            self.assertEqual((problem.field, problem.location.column), (key, 22))
            self.assertTrue(
                problem.reason.startswith(f"{what} is not supported"), problem
            )

    def test_names(self) -> None:
        """The error for another superserver's key names the key to use instead."""
        problem = problemOf("7 on server = /bin/cat;")
        self.assertEqual(problem.reason, "unknown key; use exec")
        self.assertIn("accept_max", problemOf("7 on instances = 3;").reason)

    def test_similar(self) -> None:
        """A misspelt key is an error with a suggestion, if one is similar."""
        reason = problemOf("7 on protocl = tcp;").reason
        self.assertEqual(reason, "unknown key; did you mean protocol?")
        for key in ("serverargs", "server_arg"):
            reason = problemOf(f"7 on {key} = x;").reason
            self.assertIn("unknown key; use args", reason)
        reason = problemOf("7 on onlyfrom = x;").reason
        self.assertIn("access control is not supported", reason)
        self.assertEqual(problemOf("7 on xyz = 1;").reason, "unknown key")


class InternalTests(SynchronousTestCase):
    """Tests for unknown internal services."""

    def test_ident(self) -> None:
        """A line for an ident server is an error that names it, by its port too."""
        for line in (
            "113 stream tcp nowait root internal",
            "7007 stream tcp nowait root internal auth -r",
        ):
            reason = problemOf(line).reason
            self.assertIn("'auth': an ident server (RFC 1413)", reason)

    def test_rpc(self) -> None:
        """A line that needs RPC registration is an error that names it."""
        problem = problemOf("rstatd/1-3 dgram rpc/udp wait root /x x")
        self.assertEqual((problem.field, problem.location.column), ("protocol", 18))
        self.assertIn("'rpc/udp': RPC registration", problem.reason)


class LineTests(SynchronousTestCase):
    """Tests for features of other superservers in positional lines."""

    ECHO = "7 stream tcp nowait root internal\n"

    def warnings(self, text: str) -> list[ConfWarning]:
        """Return the warnings of a text without errors."""
        found = list(parse(text, "x"))
        self.assertEqual([each for each in found if isinstance(each, ConfError)], [])
        return [each for each in found if isinstance(each, ConfWarning)]

    def test_policy(self) -> None:
        """An IPsec policy draws a warning at its location; the end of one does not."""
        text = f"#@ in ipsec esp/transport//require\n{self.ECHO}#@\n{self.ECHO}#@ x"
        found = self.warnings(text)
        self.assertEqual([each.location.line for each in found], [1, 5])
        self.assertEqual({each.field for each in found}, {"ipsec"})
        self.assertIn("IPsec policies", found[0].reason)
        self.assertEqual(self.warnings(f"# @ x\n{self.ECHO}"), [])

    def test_loginClass(self) -> None:
        """A login class is ignored, with a warning (item 17)."""
        (found,) = self.warnings("7 stream tcp nowait alpine:mail/ftp /bin/sh sh")
        self.assertEqual((found.field, found.location.column), ("user", 21))
        self.assertIn("the login class 'ftp' is ignored", found.reason)


class OptionTests(SynchronousTestCase):
    """Tests for options of FreeBSD's inetd."""

    def test_wrap(self) -> None:
        """An option for access rules is an error, as no rules would apply."""
        for option in ("-w", "-W", "-wW"):
            options = main.InetdOptions()
            error = self.assertRaises(UsageError, options.parseOptions, [option])
            self.assertIn("access control is not supported", str(error))
