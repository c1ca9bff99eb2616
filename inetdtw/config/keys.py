# -*- test-case-name: inetdtw.config.test.test_keys -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The keys of a definition, and the type of each; inetd.conf(5) says what they set."""

from __future__ import annotations

from collections.abc import Mapping

from inetdtw.config import valuetypes
from inetdtw.config.valuetypes import AnyType

#: The types by the names of the keys.
KEYS: Mapping[str, AnyType] = {
    "id": valuetypes.NAME,
    "bind": valuetypes.HOSTS,
    "socktype": valuetypes.SOCKTYPE,
    "protocol": valuetypes.PROTOCOL,
    "wait": valuetypes.FLAG,
    "user": valuetypes.WORD,
    "group": valuetypes.WORD,
    "exec": valuetypes.WORD,
    "args": valuetypes.WORDS,
    "accept_max": valuetypes.COUNT,
    "service_max": valuetypes.COUNT,
    "ip_max": valuetypes.COUNT,
    "per_source": valuetypes.COUNT,
    "per_source_prefix": valuetypes.PREFIX,
    "answer_max": valuetypes.COUNT,
    "pause": valuetypes.PAUSE,
    "refusal": valuetypes.MESSAGE,
    "backlog": valuetypes.number(0, 1 << 16),
    "sndbuf": valuetypes.SIZE,
    "recvbuf": valuetypes.SIZE,
    "acceptfilter": valuetypes.WORD,
    "nodelay": valuetypes.FLAG,
    "keepalive": valuetypes.FLAG,
    "socket_user": valuetypes.WORD,
    "socket_group": valuetypes.WORD,
    "socket_mode": valuetypes.OCTAL,
    "umask": valuetypes.OCTAL,
    "directory": valuetypes.DIRECTORY,
    "nice": valuetypes.number(-20, 19),
    "groups": valuetypes.GROUPS,
    "chroot": valuetypes.PATH,
    "rlimit_as": valuetypes.LIMIT,
    "rlimit_core": valuetypes.LIMIT,
    "rlimit_cpu": valuetypes.LIMIT,
    "rlimit_data": valuetypes.LIMIT,
    "rlimit_files": valuetypes.LIMIT,
    "rlimit_fsize": valuetypes.LIMIT,
    "rlimit_memlock": valuetypes.LIMIT,
    "rlimit_nproc": valuetypes.LIMIT,
    "rlimit_rss": valuetypes.LIMIT,
    "rlimit_stack": valuetypes.LIMIT,
    "stderr": valuetypes.STDERR,
    "env": valuetypes.VARIABLES,
    "passenv": valuetypes.WORDS,
    "launch": valuetypes.LAUNCH,
    "warm": valuetypes.FLAG,
    "preload": valuetypes.MODULES,
    "ipsec": valuetypes.IPSEC,
}
