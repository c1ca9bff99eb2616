# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Entries and services of one statement, for tests of the configuration."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.entry import Entry
from inetdtw.config.keys import KEYS
from inetdtw.config.keyvalue import buildEntry
from inetdtw.config.parser import parse
from inetdtw.config.resolver import Resolved, resolve
from inetdtw.model.errors import ConfError, Location, Word
from inetdtw.model.service import Service, Settings
from inetdtw.system.lookups import Lookups
from inetdtw.test.fakelookups import lookups

ROOT = lookups()
ALPINE = lookups(uid=1000, gid=1000)
#: A program that is on every system.
SH = "- /bin/sh sh"
PLAIN = Settings()
#: A value of each key, as it is written.
EXAMPLES = {
    "id": "lower",
    "bind": "127.0.0.1",
    "socktype": "stream",
    "protocol": "tcp46",
    "wait": "no",
    "user": "alpine",
    "group": "mail",
    "exec": "/usr/bin/python3",
    "args": "python3 /home/alpine/bin/lower.py",
    "accept_max": "20",
    "service_max": "600",
    "ip_max": "60",
    "per_source": "4",
    "per_source_prefix": "24/56",
    "answer_max": "600",
    "pause": "10",
    "refusal": "busy",
    "backlog": "128",
    "sndbuf": "64k",
    "recvbuf": "1m",
    "acceptfilter": "dataready",
    "nodelay": "yes",
    "keepalive": "yes",
    "socket_user": "nobody",
    "socket_group": "nogroup",
    "socket_mode": "0660",
    "umask": "077",
    "directory": "/srv/ftp",
    "nice": "5",
    "groups": "no",
    "chroot": "/srv/jail",
    **dict.fromkeys((key for key in KEYS if key.startswith("rlimit_")), "UNLIMITED"),
    "stderr": "log",
    "env": "LANG=C.UTF-8 TZ=UTC",
    "passenv": "PATH LANG",
    "launch": "direct",
    "warm": "yes",
    "preload": "auto",
    "ipsec": '""',
}


def wordAt(text: str, column: int) -> Word:
    """Return a word of the fourth line."""
    return Word(text, Location("inetd.conf", 4, column))


def entryOf(*assignments: tuple[str, tuple[str, ...]]) -> Entry:
    """
    Return the entry that has these keys.

    The n-th key is in column 100 n, and its value ten columns behind it.
    """
    pairs = [
        (wordAt(name, at), tuple(wordAt(each, at + 10) for each in value))
        for at, (name, value) in zip(range(100, 10000, 100), assignments)
    ]
    return buildEntry(wordAt("7", 1), True, pairs)


def resolved(
    text: str, ask: Lookups = ROOT, settings: Settings = PLAIN, file: str = "/etc/x"
) -> Resolved:
    """Return what the one statement of a text resolves to."""
    (entry,) = parse(text, file)
    assert isinstance(entry, Entry), entry
    return resolve(entry, settings, ask)


def servicesOf(
    text: str, ask: Lookups = ROOT, settings: Settings = PLAIN
) -> tuple[Service, ...]:
    """Return the services of an entry."""
    return resolved(text, ask, settings).services


def serviceOf(text: str, ask: Lookups = ROOT, settings: Settings = PLAIN) -> Service:
    """Return the only service of an entry."""
    (service,) = servicesOf(text, ask, settings)
    return service


def addressesOf(text: str) -> list[str]:
    """Return where the services of an entry listen."""
    return [str(each.address) for each in servicesOf(text)]


class ResolveCase(SynchronousTestCase):
    """A test for entries that cannot be served."""

    def assertProblem(
        self, text: str, column: int, field: str, reason: str, ask: Lookups = ROOT
    ) -> None:
        """Assert that an entry has an error in this column and field."""
        problem = self.assertRaises(ConfError, resolved, text, ask)
        self.assertEqual(problem.location, Location("/etc/x", 1, column), problem)
        self.assertEqual(problem.field, field)
        self.assertIn(reason, problem.reason)
