"""
A Python program that prints all it finds at its start, as JSON.

All interpreters from CPython 3.7 on run this file, as a script, by -m and by -c: what
it prints must be the same for a warm and for a cold start.
"""

from __future__ import annotations

import sys

MODULES = sorted(sys.modules)
TYPES = ("__loader__", "__builtins__", "__spec__")
NAMES = {
    name: type(value).__name__ if name in TYPES else repr(value)
    for name, value in sorted(globals().items())
    if name not in ("MODULES", "TYPES")
}
PATH, ARGV = list(sys.path), list(sys.argv)

import asyncio  # noqa: E402
import builtins  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import locale  # noqa: E402
import multiprocessing  # noqa: E402
import os  # noqa: E402
import pickle  # noqa: E402
import random  # noqa: E402
import resource  # noqa: E402
import signal  # noqa: E402
import stat  # noqa: E402
import subprocess  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from typing import Any  # noqa: E402

PARENT = os.getpid()


class Thing:
    """Something to pickle."""

    def __init__(self) -> None:
        """Set an attribute."""
        self.x = 1


def descriptors() -> dict[int, Any]:
    """Return the open file descriptors."""
    found: dict[int, Any] = {}
    for fd in range(1024):
        try:
            kind = stat.S_IFMT(os.fstat(fd).st_mode)
        except OSError:
            continue
        found[fd] = [oct(kind), os.get_inheritable(fd), os.get_blocking(fd)]
    return found


def stream(text: Any) -> dict[str, Any]:
    """Return how a standard stream is made."""
    buffer = text.buffer
    raw = getattr(buffer, "raw", buffer)
    return {
        "types": [type(each).__name__ for each in (text, buffer, raw)],
        "names": [each.name for each in (text, buffer, raw)],
        "modes": [text.mode, raw.mode],
        "encoding": [text.encoding, text.errors, text.newlines],
        "buffering": [text.line_buffering, text.write_through, raw._blksize],
        "is": [text.isatty(), text.seekable(), raw.seekable(), raw.closefd],
        "can": [text.readable(), text.writable(), text.fileno()],
        "repr": repr(text),
        "own": sorted(raw.__dict__),
    }


def signals() -> Any:
    """Return the disposition of each signal, and the blocked ones."""
    numbers = [number for number in range(1, signal.NSIG) if number not in (32, 33)]
    does = {number: repr(signal.getsignal(number)) for number in numbers}
    return does, sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))


def handled() -> list[int]:
    """Which signals reach a handler."""
    got: list[int] = []
    for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, lambda number, frame: got.append(int(number)))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while len(got) < 2:
        signal.pause()
    subprocess.call(["/bin/true"])
    for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    return sorted(got)


def worker(queue: Any, number: int) -> None:
    """Run in another process."""
    queue.put((number * 2, os.getpid() != PARENT))


def processes() -> dict[str, Any]:
    """Return what subprocesses report, started in all ways."""
    found: dict[str, Any] = {}
    if "all" not in ARGV:
        return found
    for way in multiprocessing.get_all_start_methods():
        context: Any = multiprocessing.get_context(way)
        queue = context.Queue()
        process = context.Process(target=worker, args=(queue, 21))
        process.start()
        found[way] = [queue.get(timeout=20)]
        process.join()
        found[way].append(process.exitcode)
    return found


async def echoed() -> list[Any]:
    """Return the output of a process that an event loop waits for."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("/bin/echo", "hi", stdout=pipe)
    output, _ = await process.communicate()
    return [output.decode(), process.returncode]


def threaded() -> list[Any]:
    """Return the threads, and whether another one runs."""
    ran: list[int] = []
    thread = threading.Thread(target=ran.append, args=(1,))
    thread.start()
    thread.join()
    main = threading.main_thread()
    same = [main is threading.current_thread(), main.ident == threading.get_ident()]
    return [threading.active_count(), main.name, same, ran]


def umask() -> int:
    """Return the file creation mask."""
    before = os.umask(0)
    os.umask(before)
    return before


def interpreter() -> dict[str, Any]:
    """Return the state of the interpreter."""
    hooks = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
    return {
        "names": NAMES,
        "path": PATH,
        "argv": ARGV,
        "descriptors": descriptors(),
        "gc": [gc.isenabled(), gc.get_threshold(), gc.get_debug(), len(gc.callbacks)],
        "signals": signals(),
        "flags": [repr(sys.flags), sys.warnoptions, repr(sys._xoptions)],
        "orig_argv": getattr(sys, "orig_argv", None),
        "prefixes": [sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix],
        "streams": [stream(text) for text in (sys.stdin, sys.stdout, sys.stderr)],
        "same": [sys.stdin is sys.__stdin__, sys.stdout is sys.__stdout__],
        "threads": threaded(),
        "limit": [sys.getrecursionlimit(), sys.getswitchinterval()],
        "pickled": [vars(pickle.loads(pickle.dumps(Thing()))), Thing.__module__],
        "name": [__name__, getattr(__spec__, "name", None), __package__],
        "main": sys.modules["__main__"].__dict__ is globals(),
        "handled": handled(),
        "hooks": [repr(getattr(sys, hook, None)) for hook in hooks],
        "left": [hasattr(sys, "last_value"), sys.getprofile(), sys.gettrace()],
        "written": [sys.dont_write_bytecode, getattr(sys, "pycache_prefix", None)],
        "warnings": list(map(repr, warnings.filters)),
        "builtins": sorted(vars(builtins)),
        "file": sys._getframe().f_code.co_filename,
        "finders": [type(each).__name__ for each in sys.meta_path],
    }


def process() -> dict[str, Any]:
    """Return the state of the process."""
    printed = subprocess.check_output(["/usr/bin/env"]).decode().splitlines()
    return {
        "session": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
        "context": [os.getcwd(), umask(), os.nice(0)],
        "ids": [os.getresuid(), os.getresgid(), os.getgroups()],
        "limits": [resource.getrlimit(number) for number in range(15)],
        "environment": sorted(os.environ.items()),
        "environb": sorted(map(repr, os.environb.items())),
        "inherited": sorted(each for each in printed if not each.startswith("_=")),
        "times": [time.tzname, time.process_time() < 5, time.time() > 1e9],
        "locale": [sys.getfilesystemencoding(), locale.setlocale(locale.LC_ALL)],
        "preferred": locale.getpreferredencoding(False),
        "pid": os.getpid() == int(os.readlink("/proc/self")),
        "processes": processes(),
        "asyncio": asyncio.run(echoed()) if "all" in ARGV else None,
        "clocks": [abs(time.time() - os.stat("/proc/self").st_ctime) < 30],
        "read": sys.stdin.read(),
        "wakeup": signal.set_wakeup_fd(-1),
    }


if __name__ == "__main__":
    report = {**interpreter(), **process()}
    own = {"random": random.random(), "modules": MODULES}
    print(json.dumps([report, own], default=repr))
