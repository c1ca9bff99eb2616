# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.context}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.context import Context, Identity


class ContextTests(SynchronousTestCase):
    """
    Tests for L{Context}.
    """

    def test_plain(self) -> None:
        """
        Who, where and with which mask is plain, and the rest is not.
        """
        self.assertTrue(Context().plain)
        self.assertTrue(Context(Identity(1, 1, ()), 0o077, "/tmp").plain)
        for context in (
            Context(nice=1),
            Context(chroot="/"),
            Context(limits=(("RLIMIT_CPU", 1, 1),)),
        ):
            self.assertFalse(context.plain, context)
