# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Users that tests add, and those that they run daemons as.

They exist only for the process that runs the tests and for what it starts: see
L{tests.support.namespace}.  Tests that do not run as root have no other user.
"""

from __future__ import annotations

import functools
import grp
import itertools
import os
import pwd
from typing import Any
from unittest import SkipTest

from tests.support import namespace
from tests.support.directories import directoryUntilExit

_FILES = ("/etc/passwd", "/etc/group")

#: Whether these tests may become another user.
ROOT = os.geteuid() == 0

#: Why a test that needs another user is skipped.
NOT_ROOT = "only root can become another user"

# When this is imported, no test has started a daemon or a thread.
_NO_NAMESPACE = namespace.enter() if ROOT else NOT_ROOT


def needNamespace() -> None:
    """Skip the test if what it changes would change on the machine."""
    if _NO_NAMESPACE:
        raise SkipTest(_NO_NAMESPACE)


@functools.cache
def alpine() -> pwd.struct_passwd:
    """
    Add the user C{alpine}, with a home directory and a supplementary group.

    This process and its children know it instead of one that the machine has.

    @raise SkipTest: when this process cannot have users of its own.
    """
    home = directoryUntilExit()
    user = addUser("alpine", home)
    os.chown(home, user.pw_uid, user.pw_gid)
    return user


class OfAlpine:
    """
    A test case whose programs are those of C{alpine}, when root runs the daemon.

    @cvar user: the user.
    """

    skip = None if ROOT else NOT_ROOT
    user = "alpine"

    def setUp(self: Any) -> None:
        """Add the user."""
        super().setUp()  # type: ignore[misc]
        alpine()


def addUser(name: str, home: str) -> pwd.struct_passwd:
    """
    Add a user and two groups, for this process and its children.

    @raise SkipTest: when this process cannot have users of its own.
    """
    needNamespace()
    removeUser(name)
    known = {each.pw_uid for each in pwd.getpwall()}
    known.update(each.gr_gid for each in grp.getgrall())
    # Another process of tests has other numbers.
    first = 10000 + os.getpid() * 10 % 40000
    own, further = itertools.islice(
        (each for each in itertools.count(first) if each not in known), 2
    )
    with open("/etc/group", "a", encoding="utf-8") as groups:
        groups.write(f"{name}:x:{own}:\n{name}-more:x:{further}:{name}\n")
    with open("/etc/passwd", "a", encoding="utf-8") as users:
        users.write(f"{name}:x:{own}:{own}::{home}:/bin/sh\n")
    return pwd.getpwnam(name)


def removeUser(name: str) -> None:
    """Remove a user and its groups, for this process and its children."""
    needNamespace()
    for path in _FILES:
        with open(path, "r+", encoding="utf-8", errors="surrogateescape") as file:
            entries = [line.rstrip("\n").split(":") for line in file]
            for entry in entries:
                # Only an entry of group(5) ends with names of users.
                members = entry[-1].split(",")
                entry[-1] = ",".join(each for each in members if each != name)
            kept = [e for e in entries if e[0] not in (name, f"{name}-more")]
            file.seek(0)
            file.truncate()
            file.writelines(f"{':'.join(entry)}\n" for entry in kept)


def ordinaryUser() -> pwd.struct_passwd | None:
    """
    Return the user that runs a daemon that must not be root's.

    @return: C{alpine}, or C{None} for the user of the tests if that is not root.
    """
    return alpine() if ROOT else None


def nameOf(user: pwd.struct_passwd | None) -> str:
    """Return the login name of a user, by default of the user of the tests."""
    return (pwd.getpwuid(os.geteuid()) if user is None else user).pw_name
