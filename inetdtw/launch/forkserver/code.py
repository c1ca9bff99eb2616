# -*- test-case-name: inetdtw.launch.forkserver.test.test_code -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The code of a fork server (L{inetdtw.helpers.forkserver}), as the daemon has loaded it.

The daemon sends this code to each fork server that it starts.  So an upgrade of the
package in place does not change the fork servers of a running daemon.
"""

from __future__ import annotations

import _imp
import marshal
from dataclasses import dataclass
from importlib.util import MAGIC_NUMBER, find_spec
from typing import Any

#: The modules of L{inetdtw.helpers} that a fork server consists of, each after those
#: that it imports.
MODULES = (
    *("connection", "reports", "requests", "protocol", "socketstate"),
    *("datagrampeek", "delegated", "spawn", "programs", "forkserver"),
)

#: The program of a fork server.  Its first argument is the length of the code, which it
#: reads from descriptor 0; its second is the L{version<Code.version>} of the code.
BOOT = """\
# inetdtw/helpers/forkserver.py, from the memory of the daemon
import sys, marshal, posix, _imp
from _frozen_importlib_external import MAGIC_NUMBER
code = b""
while len(code) < int(sys.argv[1]):
    piece = posix.read(0, int(sys.argv[1]) - len(code))
    if not piece:
        sys.exit("the daemon has ended")
    code += piece
found = _imp.source_hash(int.from_bytes(MAGIC_NUMBER, "little"), code).hex()
if found != sys.argv[2]:
    sys.exit(f"'{sys.executable}' is not the Python of the daemon: restart the daemon")
for name, body in marshal.loads(code):
    module = sys.modules[name] = type(sys)(name)
    exec(body, module.__dict__)
del code, name, body, piece
module.main(sys.argv[3:], found)
"""


@dataclass(frozen=True)
class Code:
    """
    The code of some modules, for another process of the same interpreter.

    @ivar data: the names and code objects, as C{marshal} writes them.
    @ivar version: a digest of the data and of the interpreter's magic number, in
        hexadecimal digits.
    """

    data: bytes
    version: str

    def arguments(self) -> tuple[str, str]:
        """Return the first arguments of L{BOOT}."""
        return str(len(self.data)), self.version


def codeOf(*modules: str) -> Code:
    """
    Return the code of some modules of L{inetdtw.helpers}.

    @raise ImportError: if a module's loader cannot return its code.
    """
    bodies = []
    for name in (f"inetdtw.helpers.{module}" for module in modules):
        loader: Any = getattr(find_spec(name), "loader", None)
        if not hasattr(loader, "get_code"):
            raise ImportError(f"{name} has no code", name=name)
        bodies.append((name, loader.get_code(name)))
    data = marshal.dumps(bodies)
    magic = int.from_bytes(MAGIC_NUMBER, "little")
    return Code(data, _imp.source_hash(magic, data).hex())
