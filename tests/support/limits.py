# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Resource limits of running processes."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.support import interpreters

if TYPE_CHECKING:
    import pwd

#: Sets soft limits of processes, as their user: root needs a capability for others'.
_LIMIT = """
import resource, sys
what, soft, *pids = map(int, sys.argv[1:])
for pid in pids:
    try:
        hard = resource.prlimit(pid, what)[1]
        resource.prlimit(pid, what, (soft if soft >= 0 else hard, hard))
    except ProcessLookupError:
        pass
"""


def limit(
    pids: list[int], what: int, soft: int, user: pwd.struct_passwd | None = None
) -> None:
    """
    Set a soft limit of running processes; -1 is the hard limit.

    @param user: their user, by default the one of the tests.
    """
    subprocess.run(
        [interpreters.python(), "-c", _LIMIT, str(what), str(soft), *map(str, pids)],
        check=True,
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=user and [],
    )
