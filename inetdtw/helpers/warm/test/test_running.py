# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for the program of a warm process as it runs.

C{tests/warm/test_fidelity.py} and C{tests/warm/test_exit.py} compare its children with
a cold start, with all interpreters.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    RETURNED,
    STALE,
    STARTED,
    WITHDRAWN,
)
from inetdtw.helpers.requests import HEADER, WITHDRAW
from inetdtw.helpers.warm.protocol import MISFIT, PARAMETERS, THREADED
from inetdtw.helpers.warm.test.running import Running, RunningTestCase, readAll
from inetdtw.launch.warm import command
from inetdtw.test.fakes import PATIENCE


class LaunchTests(RunningTestCase):
    """Tests for launch requests."""

    def test_launch(self) -> None:
        """A child reports its start, runs the script, and its exit is reported."""
        running = self.run_()
        client, pid = self.launched(running)
        self.assertEqual(client.recv(100), b"hello you\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(running.receive(), (ENDED, 1, pid, 0))
        self.assertEqual(client.recv(100), b"")

    def test_variables(self) -> None:
        """The variables of a launch request are those of its child only."""
        script = self.write("s.py", "import os\nprint(os.environ.get('B'))\n")
        running = self.run_(script)
        for extra, answer in ((b"B=2", b"2\n"), (b"", b"None\n")):
            client, theirs = self.pair()
            running.launch(1, theirs.fileno(), extra)
            theirs.close()
            self.assertEqual(client.recv(100), answer)

    def test_streams(self) -> None:
        """The standard streams depend on the client as in a cold start."""
        script = self.write(
            "s.py",
            "import os, sys\n"
            "with open(sys.argv[1], 'w') as out:\n"
            "    for each in sys.stdin, sys.stdout, sys.stderr:\n"
            "        is_ = each.isatty(), each.seekable(), each.line_buffering\n"
            "        print(is_, each.encoding, each.errors, file=out)\n",
        )
        out = self.directory.child("out")
        running = self.run_(script, out.path)
        ends = os.openpty()
        _, theirs = self.pair()
        with open(script, "r+b") as file:
            fds = {
                "file": file.fileno(),
                "terminal": ends[1],
                "socket": theirs.fileno(),
            }
            for name, fd in fds.items():
                env = {"PATH": os.defpath, "LANG": "C.UTF-8"}
                command = [sys.executable, script, out.path]
                subprocess.run(
                    command, stdin=fd, stdout=fd, stderr=fd, env=env, check=True
                )
                cold = out.getContent()
                out.remove()
                running.launch(1, fd)
                self.assertEqual([running.receive()[0] for _ in "12"], [STARTED, ENDED])
                self.assertEqual(out.getContent(), cold, name)
        for fd in ends:
            os.close(fd)

    def test_edited(self) -> None:
        """A new script is run for the next client without a replacement."""
        running = self.run_()
        self.launched(running)
        self.write("script.py", "import sys\nprint('other')\n")
        client, pid = self.launched(running, 2)
        self.assertEqual(client.recv(100), b"other\n")
        self.assertEqual(running.receive(), (ENDED, 2, pid, 0))

    def test_cold(self) -> None:
        """A script that cannot be compiled is executed; the reason is logged once."""
        running = self.run_()
        self.write("script.py", "print('other'\n")
        for number in (1, 2):
            client, theirs = self.pair()
            running.launch(number, theirs.fileno())
            theirs.close()
            kind, _, pid, value = running.receive()
            self.assertEqual((kind, value), (STARTED, 1))
            self.assertIn(b"SyntaxError", readAll(client))
            self.assertEqual(running.receive(), (ENDED, number, pid, 256))
        running.end()
        self.assertEqual(running.log().count("cold: SyntaxError"), 1)

    def test_stale(self) -> None:
        """A child starts cold and a replacement is requested if a module changes."""
        module = self.write("own.py", "X = 1\n")
        os.utime(module, (1e9, 1e9))
        script = self.write("s.py", "import own\nprint(own.X)\n")
        running = self.run_(script, preload="own")
        self.write("own.py", "X = 22\n")
        client, theirs = self.pair()
        running.launch(1, theirs.fileno())
        theirs.close()
        reported = {running.receive()[0], running.receive()[0]}
        self.assertEqual(reported, {STALE, STARTED})
        self.assertEqual(client.recv(100), b"22\n")

    def test_changedContext(self) -> None:
        """A warm child has what a preloaded module has changed, a cold one has not."""
        self.write(
            "changes.py",
            "import os, signal\n"
            "os.chdir('/')\n"
            "os.umask(0o77)\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
        )
        text = (
            "import os, signal, sys\n"
            "print(os.getcwd(), os.umask(0), int(signal.getsignal(15)),\n"
            "      int(signal.getsignal(signal.SIGCHLD)), 'changes' in sys.modules)\n"
        )
        mask = os.umask(0)
        os.umask(mask)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.directory.path)
        self.write("script.py", text)
        running = self.run_("script.py", preload="changes")
        client, pid = self.launched(running)
        self.assertEqual(readAll(client), b"/ 63 1 1 True\n")
        self.assertEqual(running.receive(), (ENDED, 1, pid, 0))
        # What is executed finds the same that it would have found.
        self.write("changes.py", "")
        client, theirs = self.pair()
        running.launch(2, theirs.fileno())
        theirs.close()
        answer = readAll(client).decode()
        self.assertEqual(answer, f"{self.directory.path} {mask} 0 0 False\n")

    def test_large(self) -> None:
        """Arguments can be as long as execve(2) allows."""
        size, many = 1 << 16, 12
        script = self.write("s.py", "import sys\nprint(len(''.join(sys.argv[1:])))\n")
        running = self.run_(script, *["x" * size] * many)
        client, _ = self.launched(running)
        self.assertEqual(client.recv(100), b"%d\n" % (size * many))

    def test_manyChildren(self) -> None:
        """The exit of each child is reported once, and none is left unreaped."""
        script = self.write("s.py", "")
        running = self.run_(script)
        begun: set[tuple[int, int]] = set()
        ended: set[tuple[int, int]] = set()
        for number in range(1, 51):
            _, theirs = self.pair()
            running.launch(number, theirs.fileno())
            theirs.close()
        while len(ended) < 50:
            kind, number, pid, _ = running.receive()
            (begun if kind == STARTED else ended).add((number, pid))
        self.assertEqual(begun, ended)
        with open(f"/proc/{running.pid}/task/{running.pid}/children") as children:
            self.assertEqual(children.read(), "")

    def test_nothingOpen(self) -> None:
        """No descriptor is left open, however many clients there were."""
        script = self.write("s.py", "")
        running = self.run_(script)
        directory = f"/proc/{running.pid}/fd"
        before = os.listdir(directory)
        for number in range(1, 11):
            client, _ = self.launched(running, number)
            self.assertEqual(client.recv(100), b"")
            self.assertEqual(running.receive()[0], ENDED)
        self.assertEqual(os.listdir(directory), before)
        poll = select.poll()
        poll.register(running.channel, select.POLLIN)
        self.assertEqual(poll.poll(0), [])


class AcceptTests(RunningTestCase):
    """Tests for delegated sockets."""

    def test_accept(self) -> None:
        """The process accepts from a delegated socket until that is withdrawn."""
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        running.accept(5, server)
        client = self.client(server)
        self.assertEqual(client.recv(100), b"hello you\n")
        kind, number, pid, _ = running.receive()
        self.assertEqual((kind, number), (ACCEPTED, 5))
        self.assertEqual(running.peers, [client.getsockname()])
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(running.receive(), (ENDED, 5, pid, 0))
        self.assertEqual(client.recv(100), b"")
        running.channel.send(HEADER.pack(WITHDRAW, False, 9, 5, 0, 0))
        self.assertEqual(running.receive(), (WITHDRAWN, 5, 0, 0))
        address = server.getsockname()
        server.close()
        # A child of the last client's may have it for a moment still.
        with socket.socket() as other:
            self.assertEqual(other.connect_ex(address), errno.ECONNREFUSED)

    def test_goneBefore(self) -> None:
        """No child is started for a client that left before it was accepted."""
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        gone = self.client(server)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        client = self.client(server)
        running.accept(5, server)
        self.assertEqual(running.receive()[:2], (ACCEPTED, 5))
        self.assertEqual(running.peers, [client.getsockname()])

    def test_returned(self) -> None:
        """The process returns its sockets when as many children run as may."""
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        running.accept(5, server, 1)
        client = self.client(server)
        self.assertEqual(running.receive()[:2], (ACCEPTED, 5))
        self.assertEqual(running.receive()[:2], (RETURNED, 5))
        self.assertEqual(client.recv(100), b"hello you\n")

    def test_noDescriptors(self) -> None:
        """The process returns its sockets when it has no descriptors left."""
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        running.accept(5, server)
        self.launched(running)
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (3, 3))
        self.client(server)
        self.assertEqual(running.receive(), (DROPPED, 5, 0, errno.EMFILE))
        # The connection is in the backlog still.
        server.settimeout(PATIENCE)
        server.accept()[0].close()


class LifeTests(RunningTestCase):
    """Tests for the start and the end of a process."""

    def test_end(self) -> None:
        """The process exits when the channel is closed; its children go on."""
        running = self.run_()
        client, _ = self.launched(running)
        self.assertEqual(running.end(), 0)
        self.assertEqual(client.recv(100), b"hello you\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(100), b"")

    def test_endWhileImporting(self) -> None:
        """The process is killed when the channel is closed during an import."""
        self.write(
            "slow.py",
            "import os, select\nos.write(2, b'here\\n')\nselect.select([], [], [])\n",
        )
        running = Running([self.script], "slow")
        self.addCleanup(running.kill)
        self.assertEqual(os.read(running._log, 5), b"here\n")
        self.assertEqual(running.end(), int(signal.SIGIO))

    def test_noDaemon(self) -> None:
        """The process does not begin when the channel is closed already."""
        running = Running([self.script])
        self.addCleanup(running.kill)
        self.assertIn(running.end(), (0, int(signal.SIGIO)))

    def test_threads(self) -> None:
        """The process exits if a preloaded module starts a thread."""
        self.write(
            "thread.py",
            "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n",
        )
        running = Running([self.script], "thread")
        self.addCleanup(running.kill)
        _, status = os.waitpid(running.pid, 0)
        running.pid = 0
        self.assertEqual(os.WEXITSTATUS(status), THREADED)
        self.assertIn("started a thread", running.log())

    def refuses(self, running: Running, *words: str) -> None:
        """Wait until a process exits, and find why in its log."""
        self.addCleanup(running.kill)
        _, status = os.waitpid(running.pid, 0)
        running.pid = 0
        self.assertEqual(os.WEXITSTATUS(status), MISFIT)
        log = running.log()
        for word in ("another version", *words):
            self.assertIn(word, log)

    def test_unknownParameters(self) -> None:
        """The process refuses parameters that are unknown or missing."""
        self.refuses(Running([self.script], uid=5), "parameter 'uid'")
        usual = command.warmCommand
        for name in PARAMETERS:
            given = {each: None for each in PARAMETERS if each != name}
            fixed = lambda *arguments, given=given: (*usual(*arguments)[:2], given)  # noqa: E731
            self.patch(command, "warmCommand", fixed)
            self.refuses(Running([self.script]), f"parameter '{name}'")

    def test_unknownPacket(self) -> None:
        """The process refuses an unknown request."""
        running = self.run_()
        running.channel.send(HEADER.pack(9, False, 1, 0, 0, 0))
        self.refuses(running, "unknown request 9")
