# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A superserver while it runs."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import processes
from benchmarks.load import Task, perform
from benchmarks.server import ENVIRONMENT, LOG, Launch, Server
from benchmarks.service import Service, isFree

#: Seconds in which a superserver has to serve, and has to end.
START_TIME, STOP_TIME = 20.0, 3.0

#: Descriptors that a superserver may have open: as usual, and with many services.
FILES, MANY_FILES = 1024, 4096


class Failed(Exception):
    """A superserver has failed; the message has the reason."""


class Daemon:
    """
    A superserver that runs while this context is active.

    Nothing is left behind: no process, whatever its parent or session, and no file.

    @ivar pid: the process that was started.
    @ivar begun: when that was, by L{time.perf_counter}.
    """

    def __init__(self, server: Server, services: Sequence[Service]) -> None:
        self.server = server
        self.services = services
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Daemon:
        for service in self.services:
            if not isFree(service.port):
                raise Failed(f"port {service.port} is in use")
        with contextlib.ExitStack() as stack:
            directory = Path(
                stack.enter_context(TemporaryDirectory(prefix="inetd-bench"))
            )
            directory.chmod(0o755)
            self._log = directory / LOG
            launch = self.server.launch(self.services, directory)
            for path in launch.spoils:
                stack.enter_context(_preserved(path))
            stack.callback(processes.killChildren)
            self._start(launch)
            stack.callback(self._stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _start(self, launch: Launch) -> None:
        """
        Start the process.

        @raise Failed: if that cannot be done.
        """
        user = pwd.getpwnam(launch.user) if launch.user else None
        self.begun = time.perf_counter()
        try:
            with open(self._log, "wb") as log:
                self._process = subprocess.Popen(
                    launch.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={**ENVIRONMENT, **launch.env},
                    start_new_session=True,
                    preexec_fn=self._prepare,
                    user=user and user.pw_uid,
                    group=user and user.pw_gid,
                    extra_groups=[] if user else None,
                )
        except OSError as error:
            raise Failed(str(error)) from error
        self.pid = self._process.pid

    def _prepare(self) -> None:
        """
        Make the superserver's process exit with this process.

        Its RLIMIT_NOFILE is the usual one, because the cost of a child of some peers
        grows with it.
        """
        processes.dieWithParent()
        files = MANY_FILES if len(self.services) > FILES / 2 else FILES
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def _stop(self) -> None:
        """Stop the process by SIGTERM, and then by SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIME)
                return

    def serve(self, task: Task) -> None:
        """
        Wait until an exchange with a service succeeds.

        @raise Failed: if none does in time, or the process ends.
        """
        deadline = time.monotonic() + START_TIME
        one = replace(task, clients=1, count=1, seconds=0.5)
        while True:
            result = perform(one)
            if result.latencies:
                return
            if self._process.poll() is not None:
                raise Failed(self.withOutput(f"ended {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise Failed(self.withOutput(result.reason))
            time.sleep(0.002)

    def output(self) -> str:
        """Return the superserver's output so far."""
        return self._log.read_text(errors="replace")

    def withOutput(self, what: str) -> str:
        """Return a message with the end of the superserver's output."""
        text = self.output().strip()
        words = text.replace(f"{self._log.parent}/", "").splitlines()[-1:]
        return "; its output: ".join([what, *words])

    def helpers(self) -> frozenset[int]:
        """Return the daemon and its helper processes, while it has no children."""
        return processes.settled(self.pid)


@contextlib.contextmanager
def _preserved(path: Path) -> Iterator[None]:
    """Restore a file, or remove it if it did not exist."""
    before = path.read_bytes() if path.exists() else None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if before is not None:
                path.write_bytes(before)
            elif os.path.lexists(path):
                path.unlink()
