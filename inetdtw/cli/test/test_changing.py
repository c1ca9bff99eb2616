# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the commands of L{inetdtw.cli.operate}, which change the daemon."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

from inetdtw.cli import operate
from inetdtw.cli.test.test_operate import CommandTestCase, finding
from inetdtw.control.client import NoDaemon
from inetdtw.model.state import PauseReason
from inetdtw.model.test.test_state import ONE


class OperateTests(CommandTestCase):
    """Tests for the commands that change the daemon's state."""

    def test_reload(self) -> None:
        """A reload prints the changes, and the warnings with their lines."""
        path = self.write("7 stream tcp nowait - x\n")
        reply = {
            "kept": ["1/tcp", "2/tcp"],
            "changed": [],
            "started": ["3/tcp", "4/tcp"],
            "stopped": ["5/tcp"],
            "problems": [],
            "warnings": [finding(path, "user", "why?", column=21)],
        }
        self.assertEqual(
            self.run_("reload", reply=reply)[:2],
            (
                0,
                f"{path}:1:21: warning: user: why?\n"
                "    7 stream tcp nowait - x\n"
                "                        ^\n"
                "0 errors, 1 warning\n"
                "started: 3/tcp, 4/tcp\nstopped: 5/tcp\n2 unchanged\n",
            ),
        )
        self.assertEqual(self.client.asked, [("POST", "/reload")])

    def test_broken(self) -> None:
        """If the files have errors, these are printed, and the status is 1."""
        path = self.write("x\n")
        found = {
            "problems": [finding(path, "line", "no"), finding("/gone", "line", "no")],
            "warnings": [finding("/gone", "user", "why?", column=7)],
        }
        reply = {"error": "the old one stays", **found}
        code, output, errors = self.run_("reload", reply=reply)
        self.assertEqual(code, 1)
        wanted = f"{path}:1:1: line: no\n    x\n    ^\n"
        others = "/gone:1:1: line: no\n/gone:1:7: warning: user: why?\n"
        self.assertEqual(output, f"{others}{wanted}2 errors, 1 warning\n")
        self.assertEqual(errors, "inetd: the old one stays\n")

    def test_service(self) -> None:
        """After a pause or a resume, the state of the service is printed."""
        paused = replace(ONE, pauses=(PauseReason.OPERATOR,), reason="by hand").asJSON()
        found = self.run_("pause", "7", reply=paused)
        self.assertEqual(found, (0, "7/tcp: paused, by hand\n", ""))
        found = self.run_("resume", "7/tcp", reply=ONE.asJSON())
        self.assertEqual(found, (0, "7/tcp: listening\n", ""))
        wanted = [("POST", "/pause", "7"), ("POST", "/resume", "7/tcp")]
        self.assertEqual(self.client.asked, wanted)

    def test_noService(self) -> None:
        """
        The daemon's error is printed, and the exit status is 1.

        Without a service the command line is wrong.
        """
        reply = {"error": "there is no service"}
        for name in ("pause", "resume"):
            code, _, errors = self.run_(name, "x", reply=reply)
            self.assertEqual((code, errors), (1, "inetd: there is no service\n"))
            self.assertEqual(self.run_(name)[0], 2)

    def test_drain(self) -> None:
        """A drain returns at once, or with C{--wait} when the daemon has exited."""
        reply = {"draining": True, "running": 2, "pid": 7}
        code, output, _ = self.run_("drain", reply=reply)
        self.assertEqual(code, 0)
        self.assertIn("running programs: 2", output)
        self.patch(operate, "LOOK", 0.0)
        drains = reply
        self.client.answers = [drains, drains, drains, NoDaemon("gone")]
        self.client.asked.clear()
        self.patch(operate, "runs", lambda pid: False)
        for wait in ("0", "20"):
            self.client.answers = [drains, drains, drains, NoDaemon("gone")]
            self.client.asked.clear()
            self.assertEqual(self.run_("drain", "--wait", wait)[0], 0)
            self.assertEqual(len(self.client.asked), 4)
            other = {"draining": False, "pid": 8}
            self.client.answers = [drains, other]
            self.assertEqual(self.run_("drain", "--wait", wait)[0], 0)

    def test_drainTime(self) -> None:
        """If the daemon still drains after C{--wait}, the status is 1."""
        reply = {"draining": True, "running": 2, "pid": 7}
        self.patch(operate, "LOOK", 0.0)
        code, _, errors = self.run_("drain", "--wait", "0.01", reply=reply)
        self.assertEqual(code, 1)
        wanted = "after 0.01 seconds the daemon still drains; running programs: 2"
        self.assertIn(wanted, errors)
        for wrong in ("x", "-1", "nan", "1e9"):
            code, _, errors = self.run_("drain", f"--wait={wrong}", reply=reply)
            self.assertEqual(code, 2)
            self.assertIn(
                "--wait takes a number of seconds from 0 to 86400, not", errors
            )

    def test_stop(self) -> None:
        """A stop returns when the process has exited, not only its socket."""
        alive = [False, True]
        self.patch(operate, "runs", lambda pid: pid == 7 and alive.pop())
        self.patch(operate, "LOOK", 0.0)
        self.client.answers = [{"pid": 7}, {"pid": 7}, NoDaemon("gone")]
        self.assertEqual(self.run_("stop"), (0, "stopped: pid 7\n", ""))
        self.assertEqual((self.client.asked[0], alive), (("POST", "/stop"), []))

    def test_notStopped(self) -> None:
        """A daemon that does not stop is an error."""
        self.patch(operate, "LOOK", 0.0)
        self.patch(operate, "STOPS", 0.01)
        code, _, errors = self.run_("stop", reply={"pid": 7})
        self.assertEqual(code, 1)
        self.assertIn("the daemon, pid 7, still runs after 0.01 seconds", errors)

    def test_drainTwice(self) -> None:
        """An error of the daemon is printed."""
        self.assertEqual(self.run_("drain", reply={"error": "no"})[0], 1)

    def test_runs(self) -> None:
        """A process runs until it has exited, also before its parent knows."""
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
            self.assertTrue(operate.runs(process.pid))
            assert process.stdin is not None
            process.stdin.close()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            self.assertFalse(operate.runs(process.pid))
        self.assertFalse(operate.runs(process.pid))
