# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.lookups}."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any, Callable

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.process import Credentials, Login
from inetdtw.system.lookups import (
    Account,
    Lookups,
    NotFound,
    account,
    addresses,
    groupId,
    notGiven,
    port,
    userId,
)
from inetdtw.test.fakelookups import lookups

ROOT = lookups()
ALPINE = lookups(uid=1000, gid=1000)


class LookupsCase(SynchronousTestCase):
    """A test for look-ups that fail."""

    def assertFails(
        self, field: str, reason: str, call: Callable[..., object], *arguments: Any
    ) -> None:
        """Assert that a call raises a L{NotFound} about this field."""
        problem = self.assertRaises(NotFound, call, *arguments)
        self.assertEqual(problem.field, field)
        self.assertIn(reason, problem.reason)


class RootAccountTests(LookupsCase):
    """Tests for the accounts that root's daemon can use."""

    def test_user(self) -> None:
        """A user has its group, its supplementary groups, and its login (item 41)."""
        wanted = Account(
            Credentials(1000, 1000, (8, 100, 1000)),
            Login("alpine", "/home/alpine", "/bin/ash"),
        )
        self.assertEqual(account("alpine", None, ROOT), wanted)

    def test_noShell(self) -> None:
        """A user without a shell has /bin/sh."""
        login = account("nobody", None, ROOT).login
        self.assertEqual(login, Login("nobody", "/home/nobody", "/bin/sh"))

    def test_group(self) -> None:
        """A group replaces the user's own, and supplementary groups stay (item 41)."""
        found = account("alpine", "daemon", ROOT)
        self.assertEqual(found.credentials, Credentials(1000, 1, (1, 8, 100)))

    def test_dot(self) -> None:
        """A dot divides a user and a group like a colon (item 17)."""
        wanted = account("alpine", "daemon", ROOT)
        self.assertEqual(account("alpine.daemon", None, ROOT), wanted)

    def test_userWithDot(self) -> None:
        """A user whose name has a dot comes before C{user.group} (item 17)."""
        found = account("first.last", None, ROOT)
        self.assertEqual(found.credentials, Credentials(1002, 100, (100,)))
        found = account("first.last.mail", None, ROOT)
        self.assertEqual(found.credentials, Credentials(1002, 8, (8,)))

    def test_dotWithGroup(self) -> None:
        """With a group behind a colon, a dot is part of the user's name (item 17)."""
        found = account("first.last", "mail", ROOT)
        self.assertEqual(found.credentials, Credentials(1002, 8, (8,)))
        reason = "unknown user 'alpine.daemon'"
        self.assertFails("user", reason, account, "alpine.daemon", "mail", ROOT)

    def test_unknownUser(self) -> None:
        """The error about an unknown user has the name as written (item 18)."""
        for name in ("carl", "carl.mail", "1000", "carl\0"):
            reason = f"unknown user '{name}': service ignored"
            self.assertFails("user", reason, account, name, None, ROOT)

    def test_unknownGroup(self) -> None:
        """The error about an unknown group has its name (item 18)."""
        reason = "unknown group 'crew': service ignored"
        self.assertFails("group", reason, account, "alpine", "crew", ROOT)
        self.assertFails("group", reason, account, "alpine.crew", None, ROOT)
        self.assertFails("group", reason, account, "-", "crew", ROOT)

    def test_root(self) -> None:
        """Root, by any name, needs no credentials."""
        for name in ("root", "-", "toor"):
            self.assertEqual(account(name, None, ROOT), Account())

    def test_rootWithGroup(self) -> None:
        """Root can have another group, with the daemon's environment (item 41)."""
        for name in ("root:daemon", "root.daemon"):
            user, _, group = name.partition(":")
            found = account(user, group or None, ROOT)
            self.assertEqual(found, Account(Credentials(0, 1, (1,))))

    def test_daemonWithGroup(self) -> None:
        """The daemon's own user can have another group."""
        found = account("-", "mail", ROOT)
        self.assertEqual(found, Account(Credentials(0, 8, (8,))))

    def test_groups(self) -> None:
        """The supplementary groups can be none but the first one, or named."""
        found = account("alpine", None, ROOT, ("no",))
        self.assertEqual(found.credentials, Credentials(1000, 1000, (1000,)))
        found = account("alpine", "mail", ROOT, ("daemon", "users"))
        self.assertEqual(found.credentials, Credentials(1000, 8, (1, 8, 100)))
        found = account("root", None, ROOT, ("mail",))
        self.assertEqual(found, Account(Credentials(0, 0, (0, 8))))

    def test_unknownGroups(self) -> None:
        """The error about an unknown supplementary group has its name."""
        reason = "unknown group 'crew'"
        groups = ("mail", "crew")
        self.assertFails("groups", reason, account, "alpine", None, ROOT, groups)


class OwnAccountTests(LookupsCase):
    """Tests for the accounts that another user's daemon can use."""

    def test_own(self) -> None:
        """The daemon's user keeps its credentials, by name or by C{-}."""
        for name in ("alpine", "-", "alpine.alpine"):
            self.assertEqual(account(name, None, ALPINE), Account())
        self.assertEqual(account("alpine", "alpine", ALPINE), Account())

    def test_currentGroup(self) -> None:
        """The group of the daemon counts, and not that of passwd(5)."""
        ask = lookups(uid=1000, gid=8)
        self.assertEqual(account("alpine", None, ask), Account())
        self.assertEqual(account("alpine", "mail", ask), Account())
        self.assertEqual(account("-", "mail", ask), Account())

    def test_others(self) -> None:
        """Another user is an error, and the message names the alternative."""
        for name in ("root", "beth", "beth.mail"):
            user = name.partition(".")[0]
            reason = f"only root can run a service as '{user}': service ignored ('-' is"
            self.assertFails("user", reason, account, name, None, ALPINE)

    def test_unknownUser(self) -> None:
        """An unknown user is an error (item 18)."""
        self.assertFails("user", "unknown user", account, "carl", None, ALPINE)

    def test_otherGroup(self) -> None:
        """Another group is an error, also a supplementary one of the user."""
        for user, group in (("alpine", "mail"), ("alpine.mail", None), ("-", "mail")):
            self.assertFails("group", "only root can", account, user, group, ALPINE)

    def test_groups(self) -> None:
        """Supplementary groups cannot be chosen."""
        for user in ("alpine", "-"):
            for groups in (("no",), ("mail",)):
                self.assertFails(
                    "groups", "only root can", account, user, None, ALPINE, groups
                )


class IdTests(LookupsCase):
    """Tests for the ids of a UNIX socket's owner and group."""

    def test_ids(self) -> None:
        """Names become ids."""
        self.assertEqual(userId("beth", ROOT), 1001)
        self.assertEqual(groupId("socket_group", "mail", ROOT), 8)

    def test_unknown(self) -> None:
        """The errors about unknown names have their fields."""
        self.assertFails("socket_user", "unknown user 'carl'", userId, "carl", ROOT)
        reason = "unknown group 'crew'"
        self.assertFails("x", reason, groupId, "x", "crew", ROOT)


class OwnerTests(LookupsCase):
    """Tests for L{notGiven}."""

    def test_owner(self) -> None:
        """Root can give a file to all users, others only to their own groups."""
        for uid, gid in ((-1, -1), (1000, 1000), (1000, 8), (-1, 100)):
            self.assertEqual(notGiven(uid, gid, ALPINE), [])
        self.assertEqual(notGiven(0, 1, ROOT), [])
        self.assertEqual(notGiven(0, -1, ALPINE), ["socket_user"])
        self.assertEqual(notGiven(1001, 1, ALPINE), ["socket_user", "socket_group"])


class PortTests(LookupsCase):
    """Tests for ports."""

    def test_number(self) -> None:
        """A number is itself, 0 included (item 1)."""
        for text, number in (("0", 0), ("7007", 7007), ("65535", 65535), ("007", 7)):
            self.assertEqual(port(text, "tcp", ROOT), number)

    def test_badNumber(self) -> None:
        """The error about a number that is too large has the range."""
        for text in ("65536", "100000", "9" * 5000):
            reason = f"'{text}' is not a port from 0 to 65535"
            self.assertFails("service", reason, port, text, "tcp", ROOT)

    def test_name(self) -> None:
        """A name of services(5) or an alias is its port for the protocol (item 2)."""
        self.assertEqual(port("http", "tcp", ROOT), 80)
        self.assertEqual(port("www", "tcp", ROOT), 80)
        self.assertEqual(port("tftp", "udp", ROOT), 69)

    def test_unknownName(self) -> None:
        """The message about an unknown service has its protocol (item 3)."""
        for name in ("nosuch", "tftp", "", "-1", "+7", "\u0667", "a\0"):
            reason = f"'{name}/tcp' is not in services(5): use a port number"
            self.assertFails("service", reason, port, name, "tcp", ROOT)

    def test_hostileName(self) -> None:
        """A name that the system cannot look up is unknown."""
        ask = replace(ROOT, getservbyname=socket.getservbyname)
        for name in ("a\0", "\ud800"):
            self.assertFails("service", "not in services", port, name, "tcp", ask)


class AddressTests(LookupsCase):
    """Tests for addresses."""

    FOUR = (socket.AF_INET,)
    SIX = (socket.AF_INET6,)

    def test_numeric(self) -> None:
        """A numeric address is itself."""
        found = addresses("127.0.0.1", self.FOUR, ROOT)
        self.assertEqual(found, [(socket.AF_INET, "127.0.0.1")])
        found = addresses("::1", self.SIX, ROOT)
        self.assertEqual(found, [(socket.AF_INET6, "::1")])

    def test_name(self) -> None:
        """A name is each of its addresses in the wanted families, in order."""
        four = [(socket.AF_INET, "192.0.2.4"), (socket.AF_INET, "192.0.2.5")]
        six = [(socket.AF_INET6, "2001:db8::6")]
        self.assertEqual(addresses("many", self.FOUR, ROOT), four)
        self.assertEqual(addresses("many", self.SIX, ROOT), six)
        self.assertEqual(addresses("many", self.SIX + self.FOUR, ROOT), four + six)

    def test_once(self) -> None:
        """An address that the system gives twice counts once."""

        def twice(*arguments: Any, **keywords: Any) -> list[Any]:
            return 2 * ROOT.getaddrinfo(*arguments, **keywords)

        ask = replace(ROOT, getaddrinfo=twice)
        self.assertEqual(len(addresses("four", self.FOUR, ask)), 1)

    def test_interfaces(self) -> None:
        """A link-local address is another one on each interface."""

        def both(*arguments: Any, **keywords: Any) -> list[Any]:
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 0, 0, index))
                for index in (here, 1 << 30)
            ]

        here, name = socket.if_nameindex()[0]
        ask = replace(ROOT, getaddrinfo=both)
        found = [host for _, host in addresses("both", self.SIX, ask)]
        self.assertEqual(found, [f"fe80::1%{name}", f"fe80::1%{1 << 30}"])

    def test_otherFamily(self) -> None:
        """The error about a host without an address of a family names both."""
        for host, families, version in (
            *(("six", self.FOUR, "IPv4"), ("::1", self.FOUR, "IPv4")),
            *(("four", self.SIX, "IPv6"), ("127.0.0.1", self.SIX, "IPv6")),
        ):
            reason = f"'{host}' has no {version} address"
            self.assertFails("bind", reason, addresses, host, families, ROOT)

    def test_unknown(self) -> None:
        """The error about an unknown host has the system's reason."""
        reason = "'nowhere': Name or service not known"
        self.assertFails("bind", reason, addresses, "nowhere", self.FOUR, ROOT)

    def test_hostile(self) -> None:
        """A host name that the system cannot look up is an error."""
        for ask in (ROOT, replace(ROOT, getaddrinfo=socket.getaddrinfo)):
            for host in ("a" * 64, "\ud800"):
                reason = f"'{host}': "
                self.assertFails("bind", reason, addresses, host, self.FOUR, ask)


class ThisProcessTests(SynchronousTestCase):
    """Tests for L{Lookups.ofThisProcess}."""

    def test_ids(self) -> None:
        """They are those of this process, with a copy of its environment."""
        ask = Lookups.ofThisProcess()
        self.assertEqual((ask.uid, ask.gid), (os.geteuid(), os.getegid()))
        self.assertEqual(ask.environ, dict(os.environ))
        self.assertIsNot(ask.environ, os.environ)

    def test_root(self) -> None:
        """User 0 is root, and a numeric address needs no network."""
        ask = Lookups.ofThisProcess()
        self.assertEqual(userId("root", ask), 0)
        found = addresses("127.0.0.1", (socket.AF_INET,), ask)
        self.assertEqual(found, [(socket.AF_INET, "127.0.0.1")])

    def test_hardLimit(self) -> None:
        """The hard limit of a resource is a number, or -1."""
        self.assertGreaterEqual(Lookups.ofThisProcess().hardLimit("RLIMIT_NOFILE"), -1)


class RememberingTests(SynchronousTestCase):
    """Tests for L{Lookups.remembering}."""

    def test_once(self) -> None:
        """Each name is looked up once, also an unknown one."""
        asked: list[str] = []

        def getpwnam(name: str) -> Any:
            asked.append(name)
            return ROOT.getpwnam(name)

        ask = replace(ROOT, getpwnam=getpwnam).remembering()
        for _ in range(3):
            self.assertEqual(userId("alpine", ask), 1000)
            self.assertRaises(NotFound, userId, "nosuch", ask)
        self.assertEqual(asked, ["alpine", "nosuch"])
