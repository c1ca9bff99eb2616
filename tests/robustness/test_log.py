# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Logs that cannot be written, and clocks that are set."""

from __future__ import annotations

import mmap
import os
import resource
import signal
import struct
import subprocess
import time
from typing import Callable

from tests.support import checkout
from tests.support.daemon import (
    environment,
    eventually,
    freePort,
    isServed,
    talkOrNothing,
)
from tests.support.faults import FaultsTestCase
from tests.support.processes import forkServers
from tests.support.serving import inetd
from tests.support.systemlog import SystemLog

#: Shifts the time of day of a process by the seconds in a file.
SHIFT = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static volatile long *shift;
static long seconds(void) {
    if (!shift) {
        int fd = open(getenv("SHIFT_FILE"), O_RDONLY | O_CLOEXEC);
        if (fd < 0) return 0;
        shift = mmap(0, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
        close(fd);
    }
    return *shift;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && id == CLOCK_REALTIME) now->tv_sec += seconds();
    return failed;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
"""


class LogTests(FaultsTestCase):
    """The daemon serves whether or not it can log."""

    def _serve(
        self,
        stderr: int,
        *arguments: str,
        broken: Callable[[int], None] = lambda pid: None,
        repaired: Callable[[int], None] = lambda pid: None,
    ) -> None:
        """
        All services answer, also after a reload, with a log that goes nowhere.

        @param broken: called with the daemon's process id when it serves.
        @param repaired: called with it when all is done; another reload follows.
        """
        path = self.write("inetd.conf", self.lines)
        process = subprocess.Popen(
            inetd("-l", "-f", *arguments, path),
            env=environment(),
            cwd=checkout.path(),
            stderr=stderr,
        )
        try:
            eventually(lambda: all(map(isServed, self.others)), lambda: "the services")
            broken(process.pid)
            self.othersAnswer()
            more = freePort()
            line = f"{more} stream tcp nowait - internal echo\n"
            self.write("inetd.conf", self.lines + line)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGUSR2)
            eventually(lambda: isServed(more), lambda: "the new service")
            self.othersAnswer()
            self.assertIsNone(process.poll())
            repaired(process.pid)
            self.write("inetd.conf", self.lines)
            process.send_signal(signal.SIGHUP)
            eventually(lambda: not isServed(more), lambda: "the end of a service")
        finally:
            process.terminate()
            process.wait(30)
        self.assertEqual(process.returncode, 0)

    def test_full(self) -> None:
        """The daemon serves and reloads when the device of the log is full."""
        full = os.open("/dev/full", os.O_WRONLY)
        self.addCleanup(os.close, full)
        self._serve(full, "-e")

    def test_room(self) -> None:
        """When a full disk has space again, logging goes on."""
        path = self.write("log", "")
        writer = os.open(path, os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, writer)

        size = 0

        def broken(pid: int) -> None:
            # No byte more can be written to a file.
            nonlocal size
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
            size = os.path.getsize(path)

        def repaired(pid: int) -> None:
            self.assertEqual(os.path.getsize(path), size)
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

        self._serve(writer, "-e", broken=broken, repaired=repaired)
        with open(path, encoding="utf-8") as file:
            log = file.read()
        self.assertIn("reload - kept=3 changed=0 started=0 stopped=1", log)

    def test_gone(self) -> None:
        """The daemon serves and reloads when the reader of the log is gone."""
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        self._serve(writer, "-e")

    def test_syslog(self) -> None:
        """
        The daemon serves and reloads without a system log.

        One that starts later gets further lines.
        """
        log = SystemLog(self, later=True)
        self._serve(subprocess.DEVNULL, repaired=lambda _: log.keep())
        log.waitFor("reload - kept=3 changed=0 started=0 stopped=1")


class ClockTests(FaultsTestCase):
    """The clock of the machine is set while the daemon runs."""

    def test_steps(self) -> None:
        """
        Steps of the clock, back and forth, change no backoff and no pause.

        Fork servers that die are replaced at once, a paused service resumes, and others
        are served.
        """
        source = self.write("shift.c", SHIFT)
        library, shift = self.path("shift.so"), self.path("shift")
        with open(shift, "wb") as empty:
            empty.write(bytes(8))
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True
        )
        os.chmod(library, 0o755)
        rated = freePort()
        conf = self.lines + (
            f"{rated} on protocol = tcp, wait = no, user = -, exec = /bin/cat,"
            " service_max = 1, pause = 1;\n"
        )
        env = environment(LD_PRELOAD=library, SHIFT_FILE=shift)
        daemon = self.daemon(conf, *self.others, rated, options=["-l"], env=env)
        with daemon, open(shift, "r+b") as file, mmap.mmap(file.fileno(), 8) as offset:
            self.othersAnswer()
            for step, days in enumerate((-1, 10), 1):
                for _ in range(2):
                    talkOrNothing(rated, b"")
                daemon.waitForLog(f"pause {rated}/tcp ", step)
                for pid in forkServers(daemon.process.pid):
                    os.kill(pid, signal.SIGKILL)
                offset[:] = struct.pack("l", days * 86400)
                daemon.waitForLog(f"resume {rated}/tcp", step)
                then = time.localtime(time.time() + days * 86400)
                self.othersAnswer()
                daemon.waitForLog(time.strftime("\n%Y-%m-%dT", then))
