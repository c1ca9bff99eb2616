# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.forkserver.chroot}."""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import Any

from zope.interface.verify import verifyObject

from inetdtw.interfaces import IDelegatingLauncher, ILauncher, LaunchRequest
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.forkserver.launcher import usualCount
from inetdtw.model.process import ProcessContext
from inetdtw.test.fakes import (
    FakeChild,
    FakeLauncher,
    ServingTestCase,
    openDescriptors,
    openedSince,
)

REQUEST = LaunchRequest("/bin/x", ("x",), {}, {}, (0, 0, 0))


class RootedTests(ServingTestCase):
    """Tests for L{ChrootForkServerPool}."""

    def setUp(self) -> None:
        """Make a root directory behind a link."""
        super().setUp()
        self.directory = os.path.abspath(self.mktemp())
        self.path = os.path.join(self.directory, "current")
        for name in ("one", "two"):
            os.makedirs(os.path.join(self.directory, name))
        os.symlink("one", self.path)
        self.before = openDescriptors()
        self.failure: OSError | None = None
        self.made: list[Any] = []
        self.given: list[Any] = []
        context = ProcessContext(chroot=self.path)
        self.rooted = ChrootForkServerPool(
            context, self.reactor, self.runtime.report, None, self.make
        )
        self.addCleanup(self.rooted.stop)
        self.rooted.start()

    def make(self, *given: Any, **more: Any) -> Any:
        """Make what stands for fork servers."""
        if self.failure is not None:
            raise self.failure
        self.given.append((given, more))
        self.made.append(FakeLauncher())
        self.addCleanup(self.made[-1].close)
        self.made[-1].over = False
        return self.made[-1]

    def switch(self, name: str) -> None:
        """Switch the link to another directory."""
        os.symlink(name, f"{self.path}.new")
        os.rename(f"{self.path}.new", self.path)

    def launch(self) -> FakeChild:
        """Request a program."""
        child = FakeChild()
        self.rooted.launch(child, REQUEST)
        return child

    def launched(self) -> list[int]:
        """How many programs each of the fork servers had to start."""
        return [len(each.programs) for each in self.made]

    def test_interface(self) -> None:
        """It delegates nothing, because the daemon must look before each start."""
        verifyObject(ILauncher, self.rooted)
        self.assertFalse(IDelegatingLauncher.providedBy(self.rooted))

    def test_made(self) -> None:
        """Fork servers are made for the context, and started."""
        given = (self.rooted.context, self.reactor, self.runtime.report)
        self.assertEqual(self.given, [(given, {"budget": None})])
        self.assertEqual(self.made[0].calls, ["start"])

    def test_count(self) -> None:
        """There are as many current fork servers as without a chroot."""
        self.assertEqual(self.rooted.count, usualCount())
        given = (
            self.rooted.context,
            self.reactor,
            self.runtime.report,
            None,
            self.make,
        )
        rooted = ChrootForkServerPool(*given, count=7)
        self.addCleanup(rooted.stop)
        self.assertEqual((rooted.count, self.given[-1][1]["count"]), (7, 7))

    def test_same(self) -> None:
        """As long as the root directory is the same, so are they."""
        self.launch()
        self.switch("../" + os.path.basename(self.directory) + "/one")
        self.rooted.renew()
        self.launch()
        self.assertEqual((self.launched(), self.rooted.moves), ([2], 0))

    def test_switched(self) -> None:
        """
        New fork servers start when the path leads to another directory.

        Those in the old directory exit after their programs.
        """
        self.launch()
        self.switch("two")
        self.launch()
        self.assertEqual((self.launched(), self.rooted.moves), ([1, 1], 1))
        self.assertEqual(self.made[0].calls[1:], ["retire"])
        self.assertEqual(self.made[1].calls, ["start"])

    def test_renewed(self) -> None:
        """Fork servers are replaced when the pool is renewed."""
        self.switch("two")
        self.rooted.renew()
        self.assertEqual((self.launched(), self.rooted.moves), ([0, 0], 1))

    def test_anew(self) -> None:
        """A directory that was made anew is another one, whatever its inode."""
        for count in (1, 2, 3):
            os.rmdir(os.path.join(self.directory, "one"))
            os.mkdir(os.path.join(self.directory, "one"))
            self.launch()
            self.assertEqual(self.rooted.moves, count)

    def test_missing(self) -> None:
        """While the root directory is missing, programs fail with its path."""
        os.rmdir(os.path.join(self.directory, "one"))
        wanted = [f"{self.path}: No such file or directory"]
        self.assertEqual(self.launch().calls, wanted)
        self.rooted.renew()
        self.assertEqual(self.made[0].calls, ["start"])
        with open(os.path.join(self.directory, "one"), "w"):
            pass  # Not a directory.
        wanted = [f"{self.path}: Not a directory"]
        for _ in range(2):
            self.assertEqual(self.launch().calls, wanted)
        os.unlink(os.path.join(self.directory, "one"))
        os.mkdir(os.path.join(self.directory, "one"))
        self.assertEqual(self.launch().calls, [])
        self.assertEqual(self.launched(), [0, 1])

    def test_noDescriptors(self) -> None:
        """Without descriptors for others it is tried again with the next request."""
        self.switch("two")
        self.failure = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        wanted = [f"{self.path}: Too many open files"]
        for _ in range(2):
            self.assertEqual(self.launch().calls, wanted)
        self.failure = None
        self.assertEqual(self.launch().calls, [])
        self.assertEqual((self.launched(), self.rooted.moves), ([0, 1], 1))

    def test_noneAtAll(self) -> None:
        """No descriptor is left open when no fork server can be made."""
        self.failure = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        before = openDescriptors()
        given = (
            ProcessContext(chroot=self.path),
            self.reactor,
            self.runtime.report,
            None,
        )
        self.assertRaises(OSError, ChrootForkServerPool, *given, self.make)
        self.assertEqual(openedSince(before), {})

    def test_capacity(self) -> None:
        """Those that wait are called in order, also after a replacement."""
        calls: list[int] = []
        self.made[0].hasCapacity = False
        self.assertFalse(self.rooted.hasCapacity)
        for number in (1, 2):
            self.rooted.whenCapacity(partial(calls.append, number))
        self.switch("two")
        self.rooted.renew()
        self.made[1].hasCapacity = False
        self.made[1]._waiters.pop(0)()
        self.assertEqual(calls, [])
        self.made[1].regainCapacity()
        self.assertEqual(calls, [1, 2])
        self.assertEqual(self.made[1]._waiters, [])

    def test_capacityAgain(self) -> None:
        """Those that wait are called in the same directory, one by one."""
        calls: list[int] = []
        for number in (1, 2):
            self.made[0].hasCapacity = False
            self.rooted.whenCapacity(partial(calls.append, number))
            self.assertEqual(calls, [*range(1, number)])
            self.made[0].regainCapacity()
            self.assertEqual(calls, [*range(1, number + 1)])
        self.assertEqual(self.made[0]._waiters, [])

    def test_over(self) -> None:
        """The pool is over when the fork servers of all directories have exited."""
        self.switch("two")
        self.rooted.renew()
        self.rooted.retire()
        self.assertEqual(self.made[1].calls, ["start", "retire"])
        for launcher in self.made:
            self.assertFalse(self.rooted.over)
            launcher.over = True
        self.assertTrue(self.rooted.over)

    def test_forgets(self) -> None:
        """Of those that have ended nothing is kept."""
        for name in ("two", "one", "two", "one"):
            self.switch(name)
            self.rooted.renew()
            self.made[-2].over = True
        self.assertEqual(len(self.rooted._retired), 1)

    def test_stop(self) -> None:
        """All fork servers are stopped, and no descriptor is left open."""
        self.switch("two")
        self.rooted.renew()
        self.rooted.stop()
        self.assertEqual([each.calls[-1] for each in self.made], ["stop", "stop"])
        self.assertEqual(openedSince(self.before), {})
