# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests that run as root leave the machine alone: see L{tests.support.namespace}."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tests.support import interpreters, users
from tests.support.serving import ServingTestCase, run
from tests.support.systemlog import SystemLog

_FILES = ("/etc/passwd", "/etc/group")

#: What another process of tests does, which has a namespace of its own.
_OTHER = """
from tests.support import users
from tests.support.serving import ServingTestCase
from tests.support.systemlog import SystemLog
user = users.addUser("other", "/")
SystemLog(ServingTestCase())
print(user.pw_name)
"""


class NamespaceTests(ServingTestCase):
    """Users and files that tests add."""

    skip = None if users.ROOT else users.NOT_ROOT

    def test_another(self) -> None:
        """The user and the system log of a test exist in its namespace only."""
        users.needNamespace()
        before = os.lstat("/dev").st_mtime_ns
        done = run([interpreters.python(), "-c", _OTHER])
        self.assertEqual((done.stdout, done.stderr), ("other\n", ""))
        self.assertRaises(KeyError, pwd.getpwnam, "other")
        self.assertEqual(os.lstat("/dev").st_mtime_ns, before)

    def test_alpine(self) -> None:
        """The user C{alpine} is in one supplementary group, and has an empty home."""
        user = users.alpine()
        self.assertEqual(pwd.getpwnam("alpine"), user)
        self.assertEqual(len(os.getgrouplist("alpine", user.pw_gid)), 2)
        self.assertEqual(os.stat(user.pw_dir).st_uid, user.pw_uid)

    def test_removed(self) -> None:
        """A user that was removed is unknown, and others stay."""
        users.needNamespace()
        known = [Path(path).read_text() for path in _FILES]
        users.addUser("temporary", self.directory)
        users.removeUser("temporary")
        self.assertRaises(KeyError, pwd.getpwnam, "temporary")
        self.assertEqual([Path(path).read_text() for path in _FILES], known)

    def test_systemLog(self) -> None:
        """The socket of the system log is there until the test ends."""
        SystemLog(self)
        self.assertTrue(os.path.exists("/dev/log"))
        self.doCleanups()
        self.assertFalse(os.path.exists("/dev/log"))
