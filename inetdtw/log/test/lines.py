# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Each event of the log, and the line that it makes."""

from __future__ import annotations

from typing import Any

from inetdtw.log import events
from inetdtw.log.events import Event

PEER = ("192.0.2.1", 40000)
#: An event, its subject and fields, and the line that they make.
LINES: tuple[tuple[Event, str, dict[str, Any], str], ...] = (
    (
        events.START,
        "7/tcp",
        {"pid": 4, "peer": PEER},
        "start 7/tcp pid=4 peer=192.0.2.1:40000",
    ),
    (
        events.START,
        "7/tcp",
        {"pid": 4, "peer": PEER, "start": "warm"},
        "start 7/tcp pid=4 peer=192.0.2.1:40000 start=warm",
    ),
    (
        events.EXIT,
        "7/tcp",
        {"pid": 4, "peer": PEER, "status": 0, "seconds": 1.5, "cpu": 0.01},
        "exit 7/tcp pid=4 peer=192.0.2.1:40000 status=0 seconds=1.500 cpu=0.010",
    ),
    (
        events.EXIT_FAILURE,
        "7/udp",
        {"pid": 4, "peer": None, "status": 3, "seconds": 0, "cpu": None},
        "exit 7/udp pid=4 peer=- status=3 seconds=0.000 cpu=-",
    ),
    (
        events.EXIT_FAILURE,
        "7/tcp",
        {"pid": 4, "peer": PEER, "signal": 9, "seconds": 2, "cpu": None},
        "exit 7/tcp pid=4 peer=192.0.2.1:40000 signal=9 seconds=2.000 cpu=-",
    ),
    (
        events.STDERR,
        "7/tcp",
        {"pid": 4, "peer": PEER, "text": "Oh, no!"},
        "stderr 7/tcp pid=4 peer=192.0.2.1:40000 text=Oh, no!",
    ),
    (
        events.REFUSE,
        "7/tcp",
        {"peer": PEER, "reason": "more than 3 at once"},
        "refuse 7/tcp peer=192.0.2.1:40000 reason=more than 3 at once",
    ),
    (
        events.REFUSE_ONCE,
        "7/tcp",
        {"peer": PEER, "reason": "too many"},
        "refuse 7/tcp peer=192.0.2.1:40000 reason=too many",
    ),
    (
        events.START_FAILED,
        "7/tcp",
        {"peer": PEER, "reason": "'/x': No such file"},
        "start-failed 7/tcp peer=192.0.2.1:40000 reason='/x': No such file",
    ),
    (
        events.DROP,
        "7/udp",
        {"peer": PEER, "reason": "the program did not read it"},
        "drop 7/udp peer=192.0.2.1:40000 reason=the program did not read it",
    ),
    (
        events.DROP_ONCE,
        "7/udp",
        {"peer": PEER, "reason": "reply not sent"},
        "drop 7/udp peer=192.0.2.1:40000 reason=reply not sent",
    ),
    (
        events.LISTEN,
        "7/tcp",
        {"address": "[::]:7"},
        "listen 7/tcp address=[::]:7",
    ),
    (
        events.LISTEN,
        "7/tcp",
        {"address": "[::]:7", "source": "LISTEN_FDS"},
        "listen 7/tcp address=[::]:7 source=LISTEN_FDS",
    ),
    (
        events.BIND_FAILED,
        "7/tcp",
        {"address": "0.0.0.0:7", "retry": 0.5, "reason": "in use"},
        "bind-failed 7/tcp address=0.0.0.0:7 retry=0.5 reason=in use",
    ),
    (
        events.REBIND,
        "7/tcp",
        {"address": "/run/x", "reason": "its path was removed"},
        "rebind 7/tcp address=/run/x reason=its path was removed",
    ),
    (
        events.SOCKET_ERROR,
        "7/tcp",
        {"reason": "Broken pipe"},
        "socket-error 7/tcp reason=Broken pipe",
    ),
    (events.CHANGE, "7/tcp", {}, "change 7/tcp"),
    (events.CLOSE, "7/tcp", {}, "close 7/tcp"),
    (
        events.PAUSE,
        "7/tcp",
        {"seconds": 60.0, "peer": PEER, "reason": "more than 3 starts"},
        "pause 7/tcp seconds=60 peer=192.0.2.1:40000 reason=more than 3 starts",
    ),
    (
        events.PAUSE,
        "7/tcp",
        {"seconds": None, "peer": None, "reason": "by an operator"},
        "pause 7/tcp seconds=- peer=- reason=by an operator",
    ),
    (events.RESUME, "7/tcp", {}, "resume 7/tcp"),
    (
        events.STATE,
        "7/tcp",
        {"address": "*:7", "started": 9, "pauses": None},
        "state 7/tcp address=*:7 started=9 pauses=-",
    ),
    (
        events.FORKSERVER_EXIT,
        "-",
        {"uid": 1000, "pid": None, "retry": 1.0, "reason": "x y"},
        "forkserver-exit - uid=1000 pid=- retry=1 reason=x y",
    ),
    (events.WARM_READY, "7/tcp", {"pid": 4}, "warm-ready 7/tcp pid=4"),
    (
        events.WARM_EXIT,
        "7/tcp",
        {"pid": None, "retry": None, "reason": "x y"},
        "warm-exit 7/tcp pid=- retry=- reason=x y",
    ),
    (
        events.WARM_STDERR,
        "7/tcp",
        {"pid": 4, "text": "x y"},
        "warm-stderr 7/tcp pid=4 text=x y",
    ),
    (
        events.RELOAD,
        "-",
        {"kept": 0, "changed": 1, "started": 2, "stopped": 3},
        "reload - kept=0 changed=1 started=2 stopped=3",
    ),
    (
        events.RELOAD_REJECTED,
        "-",
        {"problems": 2, "reason": "the old configuration stays"},
        "reload-rejected - problems=2 reason=the old configuration stays",
    ),
    (
        events.CONFIG_ERROR,
        "/a b:3:5",
        {"field": "user", "reason": "is empty"},
        "config-error /a\\x20b:3:5 field=user reason=is empty",
    ),
    (
        events.CONFIG_WARNING,
        "/a:3:5",
        {"field": "args", "reason": "is strange"},
        "config-warning /a:3:5 field=args reason=is strange",
    ),
    (
        events.NO_SERVICES,
        "-",
        {"reason": "nothing to serve in /a b"},
        "no-services - reason=nothing to serve in /a b",
    ),
    (
        events.UNUSED_SOCKET,
        "-",
        {"fd": 4, "name": "a\nb", "address": "*:7", "reason": "is not listening"},
        "unused-socket - fd=4 name=a\\nb address=*:7 reason=is not listening",
    ),
    (
        events.SHORTAGE,
        "-",
        {"reason": "Too many open files"},
        "shortage - reason=Too many open files",
    ),
    (events.CONTROL, "-", {"address": "/run/x"}, "control - address=/run/x"),
    (
        events.CONTROL_SECOND,
        "-",
        {"address": "/run/x-2", "reason": "another daemon has /run/x"},
        "control-second - address=/run/x-2 reason=another daemon has /run/x",
    ),
    (
        events.CONTROL_FAILED,
        "-",
        {"address": "/run/x y\n", "reason": "Permission denied"},
        "control-failed - address=/run/x\\x20y\\n reason=Permission denied",
    ),
    (
        events.NOTIFY_FAILED,
        "-",
        {"address": "/run/x", "reason": "No such file"},
        "notify-failed - address=/run/x reason=No such file",
    ),
    (
        events.SIGNAL,
        "-",
        {"name": "SIGUSR1", "action": "ignored"},
        "signal - name=SIGUSR1 action=ignored",
    ),
    (events.DRAIN, "-", {"running": 3}, "drain - running=3"),
    (
        events.SUPPRESS,
        "7/tcp",
        {"kind": "stderr", "lines": 12, "reason": "rate limit"},
        "suppress 7/tcp kind=stderr lines=12 reason=rate limit",
    ),
    (
        events.LOG_LOST,
        "-",
        {"lines": 12, "reason": "the reader is too slow"},
        "log-lost - lines=12 reason=the reader is too slow",
    ),
    (events.INTERNAL_ERROR, "7/tcp", {}, "internal-error 7/tcp"),
)
