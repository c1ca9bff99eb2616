# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the end of a process of L{inetdtw.launch.warm.process}."""

from __future__ import annotations

import os

from inetdtw.helpers.reports import ACCEPTED, ENDED, HELLO, STALE, STARTED
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.warm.process import LINGER
from inetdtw.launch.warm.test.played import KEPT, PID, ListenerWatcher, RunningTestCase
from inetdtw.test.fakes import killed


class EndTests(RunningTestCase):
    """Tests for the end of a L{WarmProcess}."""

    def delegate(self, watcher: ListenerWatcher) -> None:
        """Delegate a socket to the process."""
        self.process.delegate(5, Delegation(watcher, b"", 0))

    def words(self) -> list[str]:
        """Return the names of the calls."""
        return [each[0] for each in self.owner.calls]

    def test_died(self) -> None:
        """Programs that were not started are started cold when a process has died."""
        children = [self.launch(), self.launch()]
        self.played.die()
        self.reactor.settle()
        self.assertEqual(
            self.words(), ["startCold", "startCold", "disconnected", "exited"]
        )
        self.assertEqual(self.owner.coldChildren, children)
        self.assertEqual(self.owner.calls[-1], ("exited", "signal=9", None))
        self.assertTrue(self.process.over)
        self.assertRaises(OSError, self.launch)

    def test_diedAccepting(self) -> None:
        """The reason names a client whose connection may be closed."""
        self.delegate(ListenerWatcher())
        self.played.die()
        self.reactor.settle()
        reason = "signal=9; a connection it was accepting may have been dropped"
        self.assertEqual(self.owner.calls[-1], ("exited", reason, None))

    def test_status(self) -> None:
        """The exit status is reported."""
        self.played.die(ExitStatus(78))
        self.reactor.settle()
        self.assertEqual(self.owner.calls[-1], ("exited", "status=78", 78))

    def test_channelFirst(self) -> None:
        """A process is over when it has exited and its channel is closed."""
        self.played.disconnect()
        self.reactor.settle()
        self.assertEqual((self.words(), self.process.up), (["disconnected"], False))
        self.played.program.end(killed())
        self.assertEqual(self.words(), ["disconnected", "exited"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_childLeft(self) -> None:
        """A child can report its start after the process has exited."""
        child = self.launch()
        number = self.played.number()
        self.played.program.end(killed())
        self.reactor.settle()
        self.assertEqual((self.words(), self.process.up), ([], False))
        self.report((STARTED, number, os.getpid(), 0))
        self.assertEqual(child.calls, [os.getpid()])
        self.played.channel.close()
        self.reactor.settle()
        self.assertEqual(self.words(), ["disconnected", "exited"])

    def test_closedMeanwhile(self) -> None:
        """After a close, nothing is waited for."""
        self.played.program.end(killed())
        self.assertNotEqual(self.reactor.getDelayedCalls(), [])
        self.process.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_channelLeft(self) -> None:
        """A channel that stays open is waited for up to a timeout."""
        self.launch()
        self.played.program.end(killed())
        self.reactor.settle()
        self.reactor.advance(LINGER)
        self.assertEqual(self.words(), ["startCold", "disconnected", "exited"])
        self.reactor.settle()
        self.assertEqual(len(self.owner.calls), 3)

    def test_channelClosed(self) -> None:
        """A process that has closed its channel is waited for up to a timeout."""
        self.played.disconnect()
        self.reactor.settle()
        self.reactor.advance(LINGER)
        gone = ("exited", "it has closed its channel", None)
        self.assertEqual(self.owner.calls, [("disconnected",), gone])

    def test_helloAfterEnd(self) -> None:
        """A process that has exited is never up."""
        self.played.program.end(killed())
        self.report((HELLO, 0, PID, 0))
        self.assertFalse(self.process.up)
        self.assertEqual(self.owner.calls, [])

    def test_lastWords(self) -> None:
        """Output before the death of a process is reported."""
        os.write(self.launcher.last.fds[2], b"because\n")
        self.played.die()
        self.reactor.settle()
        self.assertIn(("printed", "because"), self.owner.calls)

    def test_stderrLeft(self) -> None:
        """Output of other processes after the exit is ignored."""
        heir = os.dup(self.launcher.last.fds[2])
        self.addCleanup(os.close, heir)
        self.played.die()
        self.reactor.settle()
        self.assertEqual(
            (self.words(), self.process._readers), (["disconnected", "exited"], set())
        )
        self.assertEqual(self.reactor.getReaders(), [])

    def test_orphans(self) -> None:
        """The exits of programs are reported after the death of their process."""
        child = self.running()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.calls, [PID, ExitStatus()])

    def test_watched(self) -> None:
        """Programs of its user are watched after a process has died."""
        process = self.make(self.owner)
        process.start(self.launcher, KEPT, "")
        self.process, self.played = process, self.play()
        self.launcher.last.child.started(os.getpid())
        child = self.running(os.getpid())
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.calls, [os.getpid()])

    def test_violation(self) -> None:
        """A process that sends an impossible report is over."""
        child = self.launch()
        self.report((STARTED, self.played.number(), -1, 0), (STALE, 0, PID, 0))
        self.assertEqual(self.words(), ["startCold", "disconnected", "exited"])
        self.assertIn("impossible report", self.owner.calls[-1][1])
        self.assertEqual(child.calls, [])
        self.assertTrue(self.process.over)

    def test_violationAfterExit(self) -> None:
        """A process that has exited and sends one is over once."""
        self.delegate(ListenerWatcher())
        self.launcher.last.child.ended(ExitStatus(0))
        self.report((ACCEPTED, 5, 0, 0))
        self.assertEqual(self.words().count("exited"), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_violationAccepted(self) -> None:
        """A process that reports an impossible connection is over."""
        watcher = ListenerWatcher()
        self.delegate(watcher)
        self.report((ACCEPTED, 5, 0, 0))
        self.assertEqual(
            (self.words(), watcher.calls), (["disconnected", "exited"], [])
        )

    def test_retireIdle(self) -> None:
        """A retired process without programs is stopped at once."""
        self.process.retire()
        self.assertEqual(self.played.channel.recv(10), b"")
        self.played.die(ExitStatus(0))
        self.assertEqual(self.owner.calls, [("exited", "status=0", 0)])

    def test_retire(self) -> None:
        """A retired process is stopped when its last program has ended."""
        child, other = self.running(), self.launch()
        number = self.played.number()
        self.process.retire()
        self.report((ENDED, 1, PID, 0))
        self.assertEqual(child.calls[1:], [ExitStatus(0, cpu=1.5)])
        self.report((STARTED, number, PID, 0))
        self.assertEqual(other.calls, [PID])
        self.assertFalse(self.process.channel.closed)
        self.report((ENDED, 1, PID, 0))
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_retireOrphans(self) -> None:
        """A retired process is waited for while its programs run."""
        child = self.running(os.getpid())
        self.process.running.uid = os.geteuid()
        self.process.retire()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.calls, [os.getpid()])
        self.process.close()
        self.assertEqual(self.reactor.getReaders(), [])

    def test_close(self) -> None:
        """A process that is closed leaves nothing open or scheduled."""
        self.launch()
        self.running(PID)
        self.process.close()
        self.assertFalse(self.process.up)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
