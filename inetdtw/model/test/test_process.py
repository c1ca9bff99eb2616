# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.model.process}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.process import Credentials, ProcessContext


class ContextTests(SynchronousTestCase):
    """Tests for L{ProcessContext}."""

    def test_plain(self) -> None:
        """A context is default if only credentials, directory and umask are set."""
        self.assertTrue(ProcessContext().isDefault)
        self.assertTrue(ProcessContext(Credentials(1, 1, ()), 0o077, "/tmp").isDefault)
        for context in (
            ProcessContext(nice=1),
            ProcessContext(chroot="/"),
            ProcessContext(limits=(("RLIMIT_CPU", 1, 1),)),
        ):
            self.assertFalse(context.isDefault, context)


class ToArgumentsTests(SynchronousTestCase):
    """Tests for L{ProcessContext.toArguments}."""

    def test_plain(self) -> None:
        """The context of the daemon's own user has all arguments, too."""
        wanted = ["umask=022", "directory=/", "nice=0"]
        wanted += ["chroot=", "groups=", "gid=", "uid="]
        self.assertEqual(list(ProcessContext().toArguments()), wanted)

    def test_all(self) -> None:
        """
        All attributes are arguments; groups precede the user.

        A process that has changed its user cannot change its groups.
        """
        context = ProcessContext(
            Credentials(1000, 100, (8, 100)),
            0o077,
            "/srv",
            5,
            "/root",
            (("RLIMIT_NOFILE", 10, 20),),
        )
        wanted = [
            *("umask=077", "directory=/srv", "nice=5", "chroot=/root"),
            *("RLIMIT_NOFILE=10:20", "groups=8,100", "gid=100", "uid=1000"),
        ]
        self.assertEqual(list(context.toArguments()), wanted)
