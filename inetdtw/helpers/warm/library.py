# -*- test-case-name: inetdtw.helpers.warm.test.test_library -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Find out whether a module is the interpreter's, or the standard library's."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The version of the interpreter.
VERSION = sys.version_info

#: The modules that the interpreter imported itself, before this program did.
BEFORE: set[str] = globals().get("before") or set(sys.modules)

#: Modules of the standard library without state that each child needs for itself.  If
#: a script imports some of them at top level, they are preloaded by default.
SHARED = frozenset(
    """
    abc argparse array ast base64 binascii bisect bz2 calendar codecs collections
    configparser contextlib contextvars copy copyreg csv ctypes dataclasses datetime
    decimal difflib dis email enum errno fcntl fnmatch fractions functools getopt glob
    grp gzip hashlib heapq hmac html http inspect io ipaddress itertools json keyword
    linecache locale lzma math mimetypes numbers operator os pathlib pickle pkgutil
    posix posixpath pprint pwd queue quopri random re reprlib resource runpy sched
    secrets select selectors shlex shutil signal socket socketserver sqlite3 ssl stat
    statistics string struct subprocess sys tempfile termios textwrap threading time
    token tokenize traceback types typing unicodedata urllib uuid warnings weakref
    xml zipfile zlib zoneinfo
    """.split()  # noqa: SIM905 - a list of so many would be a page
)

_INSTALLED = ("/site-packages/", "/dist-packages/")


class StandardLibrary:
    """The standard library of this interpreter."""

    def __init__(self) -> None:
        """Find the directory of the standard library."""
        encodings: Any = sys.modules["encodings"]
        root = encodings.__file__.rpartition("/")[0].rpartition("/")[0]
        self._root = f"{root}/"
        above, number = root.rpartition("/")[0], "{}{}".format(*VERSION[:2])
        # sys.path has it whether it exists or not.
        self._archive = f"{above}/python{number}.zip/"

    def has(self, module: Any, installed: bool = False) -> bool:
        """
        Return whether a module is the standard library's or the interpreter's own.

        @param installed: whether the modules in C{site-packages} count as well.
        """
        path = getattr(module, "__file__", None)
        if path is None:
            return not hasattr(module, "__path__")
        if not isinstance(path, str):
            return False
        if any(each in path for each in _INSTALLED):
            return installed
        return path.startswith(self._root)

    def isWithin(self, path: str) -> bool:
        """
        Return whether a directory is the standard library's, or in C{site-packages}.

        @param path: an absolute path with a slash at its end.
        """
        installed = any(each in path for each in _INSTALLED)
        return installed or path.startswith((self._root, self._archive))
