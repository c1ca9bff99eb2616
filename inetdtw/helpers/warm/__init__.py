# -*- test-case-name: inetdtw.helpers.warm.test.test_source -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a warm process: an interpreter that is forked for every client.

The interpreter of the service runs it, which can be any CPython from 3.7 on, as the
service's user and perhaps in a chroot.  It may be unable to read what is installed, so
the daemon sends it one text, which L{source} joins from the modules of this package and
some of their neighbours: they share one namespace.  In that text, nothing but extension
modules is imported, because the others take time, and a script can have files with the
same names.

The interpreter reads its program from descriptor 0: a line with this text and the
L{parameters<inetdtw.helpers.warm.protocol.PARAMETERS>} of the process, then L{BOOT}.
Descriptor 1 is a sequenced-packet socket that leads to the daemon, and 2 the daemon's
log.  The process has the credentials, the environment and the interpreter options that
the program would have had.

Until a client connects, C{sys.path} has the standard library only: neither the working
directory nor PYTHONPATH nor the user's own modules can make this process import what a
cold start would not.

A child returns to L{BOOT} the call that runs the script, with one frame below it, and
then exits as the interpreter would, without finalizing what it shares.
"""

from __future__ import annotations

import pkgutil
import re

#: The modules of L{source} in C{inetdtw.helpers}, each after those that it imports.
PARTS = (
    "connection",
    "requests",
    "reports",
    "warm.protocol",
    "warm.files",
    "warm.library",
    "warm.program",
    "warm.preload",
    "warm.process",
    "warm.coldstart",
    "warm.streams",
    "warm.exceptions",
    "warm.shutdown",
    "warm.pools",
    "warm.template",
    "warm.children",
    "warm.listeners",
    "warm.child",
    "warm.server",
    "warm.rehearsal",
    "warm.main",
)

#: A function that returns the compiled C{text}.  A child compiles it: the compiler
#: leaves the memory in pieces, which each fork(2) would copy.
LOAD = """\
def load():
    import marshal, posix
    def code(): return compile(text, 'inetdtw', 'exec', 0, True, 2)
    try: r, x = posix.pipe()
    except OSError: return code()
    try: p = posix.fork()
    except OSError: p = -1
    if not p:
        try:
            with open(x, 'wb') as f: marshal.dump(code(), f)
        finally: posix._exit(0)
    posix.close(x)
    with open(r, 'rb') as f: found = f.read()
    if p > 0: posix.waitpid(p, 0)
    try: return marshal.loads(found)
    except (EOFError, TypeError, ValueError): return code()
"""

#: What the interpreter runs after a line that sets C{text} and C{parameters}.  It must
#: import nothing before C{sys.path} is the standard library's only.
BOOT = f"""\
import sys
if sys.version_info < (3, 7) or sys.implementation.name != 'cpython': sys.exit(78)
sys.flags.isolated or getattr(sys.flags, 'safe_path', 0) or sys.path.pop(0)
for r in '__file__', '__cached__': globals().pop(r, 0)
w = {{'__name__': 'inetdtw', 'before': set(sys.modules), 'path': sys.path}}
w['text'], r = text, '/python%d.%d' % sys.version_info[:2]
r = sys.base_prefix + '/' + getattr(sys, 'platlibdir', 'lib') + r
r = getattr(sys, '_stdlib_dir', 0) or r
sys.path = [r, r.replace(sys.base_prefix, sys.base_exec_prefix, 1) + '/lib-dynload']
{LOAD}
exec(load(), w)
try:
    w['prepare'](parameters)
    w['call'], w['given'] = w['server'].serve()
    w['call'](*w.pop('given'))
except BaseException as x: w['error'] = x
w['leave']()
"""

#: An import of another part.  L{PARTS} are formatted, so this finds whole statements.
_IMPORT = re.compile(rb"^from inetdtw\.[\w.]+ import (?:\([^)]*\)|[^(\n]*)$", re.M)
_FUTURE = re.compile(rb"^from __future__ import annotations$", re.M)


def textOf(part: str) -> bytes:
    """Return the text of one of L{PARTS} as the package has it."""
    text = pkgutil.get_data("inetdtw.helpers", part.replace(".", "/") + ".py")
    assert text is not None
    return text


def source() -> bytes:
    """
    Return the program of a warm process: all parts as one text.

    Imports among the parts become empty lines, so that each part has as many lines as
    its module.
    """
    first, *rest = map(textOf, PARTS)
    text = first + b"".join(_FUTURE.sub(b"", each) for each in rest)
    return _IMPORT.sub(lambda found: b"\n" * found[0].count(b"\n"), text)
