# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Orphans of programs whose standard error is logged."""

from __future__ import annotations

import os
import signal

from tests.support.daemon import (
    eventually,
    freePort,
    talk,
)
from tests.support.shares import SharesTestCase

#: Writes more than fits into a pipe, after its parent has ended.
WRITE = (
    "import os, sys, time\n"
    "if not os.fork():\n"
    "    os.close(0), os.close(1)\n"
    "    while os.getppid() == {parent}: time.sleep(0.01)\n"
    "    while not os.path.exists({go!r}): time.sleep(0.01)\n"
    "    try:\n"
    "        for _ in range(100): os.write(2, b'x' * 4096)\n"
    "        result = 'all'\n"
    "    except OSError as why:\n"
    "        result = type(why).__name__\n"
    "    with open({done!r}, 'w') as file: file.write(result)\n"
    "    os._exit(0)\n"
)


class LeftBehindTests(SharesTestCase):
    """Orphans of programs."""

    def test_refused(self) -> None:
        """
        An orphan whose standard error is no longer read runs on.

        It is neither killed nor blocked.
        """
        go, done, port = self.path("go"), self.path("done"), freePort()
        os.chmod(self.directory, 0o777)
        text = WRITE.format(parent="parent", go=go, done=done)
        text = text.replace(
            "import os, sys, time\n", "import os, sys, time\nparent = os.getpid()\n"
        )
        write = self.program("write", text)
        line = (
            f"{port} on protocol = tcp, wait = no, user = {self.user},"
            f" exec = {write}, stderr = log;\n"
        )
        daemon = self.start(line, port)
        self.assertEqual(talk(port, b""), b"")
        daemon.waitForLog(f"] exit {port}/tcp ")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait()
        with open(go, "w", encoding="ascii"):
            pass  # It may begin.
        eventually(lambda: os.path.exists(done) and os.path.getsize(done), daemon.log)
        with open(done, encoding="ascii") as file:
            self.assertEqual(file.read(), "BlockingIOError")
