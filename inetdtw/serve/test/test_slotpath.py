# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for a L{Slot<inetdtw.serve.slot.Slot>} on a path."""

from __future__ import annotations

import errno
import os
import stat
from unittest import mock

from twisted.internet.address import UNIXAddress

from inetdtw.model.service import Ownership, Program
from inetdtw.serve.bindretry import FIRST_RETRY
from inetdtw.serve.slot import Slot
from inetdtw.serve.test.slotcase import SlotTestCase
from inetdtw.test.fakes import makeUnix


class PathTests(SlotTestCase):
    """Tests for a L{Slot} on a path."""

    def setUp(self) -> None:
        """Choose a path."""
        super().setUp()
        self.path = self.mktemp()

    def test_removed(self) -> None:
        """The path is removed with the socket."""
        slot = self.serving(makeUnix(self.path))
        self.connect(slot)
        self.requested(1)
        slot.stop()
        self.assertFalse(os.path.lexists(self.path))

    def test_notOurs(self) -> None:
        """A file that replaced the socket's path is not removed."""
        slot = self.serving(makeUnix(self.path))
        os.unlink(self.path)
        other = self.serving(makeUnix(self.path))
        slot.stop()
        self.connect(other)
        self.requested(1)

    def test_inTheWay(self) -> None:
        """A file at the path is never removed; the socket is bound when it is gone."""
        with open(self.path, "w"):
            pass  # The file must stay.
        slot = self.serving(makeUnix(self.path))
        self.assertEqual(len(self.logged("bind-failed")), 1)
        slot.stop()
        self.assertTrue(os.path.exists(self.path))
        slot = self.serving(makeUnix(self.path))
        os.unlink(self.path)
        self.reactor.advance(FIRST_RETRY)
        self.connect(slot)
        self.requested(1)

    def test_ownership(self) -> None:
        """Changed permissions are set for the existing path."""
        slot = self.serving(makeUnix(self.path))
        inode = os.stat(self.path).st_ino
        slot.change(makeUnix(self.path, ownership=Ownership(mode=0o660)))
        about = os.stat(self.path)
        self.assertEqual((stat.S_IMODE(about.st_mode), about.st_ino), (0o660, inode))
        self.connect(slot)
        self.requested(1)

    def change(self, slot: Slot, ownership: Ownership) -> None:
        """Change the ownership of a path, and the program."""
        program = Program("/bin/sh", (), ("new",))
        slot.change(makeUnix(self.path, ownership=ownership, program=program))

    def test_ownershipElsewhere(self) -> None:
        """
        A file that replaced the socket's path keeps its owner.

        The log says so, and the rest of the change holds.
        """
        slot = self.serving(makeUnix(self.path))
        client = self.connect(slot)
        precious = self.path + ".precious"
        os.rename(self.path, self.path + ".old")
        with open(precious, "w"):
            pass  # It belongs to another user.
        os.chmod(precious, 0o600)
        os.symlink(os.path.abspath(precious), self.path)
        self.change(slot, Ownership(mode=0o666))
        self.assertEqual(stat.S_IMODE(os.stat(precious).st_mode), 0o600)
        (warning,) = self.logged("config-warning")
        self.assertIn("another file is at", warning["reason"])
        self.assertEqual(self.requested(1).request.argv, ("new",))
        client.close()

    def test_ownershipFails(self) -> None:
        """An owner that cannot be changed is logged; the other changes apply."""
        slot = self.serving(makeUnix(self.path))
        why = PermissionError(errno.EPERM, "Operation not permitted")
        self.patch(os, "chown", mock.Mock(side_effect=why))
        self.change(slot, Ownership(uid=1))
        (warning,) = self.logged("config-warning")
        self.assertIn("Operation not permitted", warning["reason"])
        self.connect(slot)
        self.assertEqual(self.requested(1).request.argv, ("new",))

    def test_host(self) -> None:
        """A service on a UNIX socket listens on its path."""
        slot = self.slot(makeUnix(self.path))
        self.assertEqual(slot.getHost(), UNIXAddress(self.path))
        self.assertEqual(slot.address(), self.path)

    def test_hostElsewhere(self) -> None:
        """
        The address of a UNIX socket is the configured path.

        The system has another name for the socket then.
        """
        os.makedirs(os.path.join(self.path, "directory"))
        os.chmod(self.path, 0o777)
        path = os.path.join(self.path, "directory", "socket")
        slot = self.slot(makeUnix(path))
        self.assertEqual(slot.getHost(), UNIXAddress(path))
