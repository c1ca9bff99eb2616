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
    """A superserver did not do its job; the text says what happened."""


class Daemon:
    """
    A superserver that runs from the begin of this context to its end.

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
        Prepare the process of the superserver: it dies with this process.

        Its RLIMIT_NOFILE is the usual one, because the cost of a child of some peers
        grows with it.
        """
        processes.dieWithParent()
        files = MANY_FILES if len(self.services) > FILES / 2 else FILES
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def _stop(self) -> None:
        """End the process, kindly at first."""
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
                raise Failed(self.said(f"ended {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise Failed(self.said(result.reason))
            time.sleep(0.002)

    def said(self, what: str) -> str:
        """Add the end of what it has printed to what has happened."""
        text = self._log.read_text(errors="replace").strip()
        words = text.replace(f"{self._log.parent}/", "").splitlines()[-1:]
        return "; it said: ".join([what, *words])

    def helpers(self) -> frozenset[int]:
        """Return the daemon and its helper processes, while it has no children."""
        return processes.settled(self.pid)


@contextlib.contextmanager
def _preserved(path: Path) -> Iterator[None]:
    """Put a file back as it was, or away if it was not there."""
    before = path.read_bytes() if path.exists() else None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if before is not None:
                path.write_bytes(before)
            elif os.path.lexists(path):
                path.unlink()
