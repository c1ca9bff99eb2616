# -*- test-case-name: inetdtw.test.test_warmhelper -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a warm process: an interpreter that is forked for every client.

The text of this file, and nothing else of this package, is run by the interpreter of
a service, which can be any CPython from 3.7 on.  The interpreter reads its program from
descriptor 0: a line with this text and the orders, and L{BOOT} (see
L{inetdtw.warmtext}).  Descriptor 1 is a sequenced-packet socket and 2 the daemon's log.
The service's user need not be able to read the file.  The process is what the program
would have been: it has the same context, environment and interpreter options.

Until there is a client, C{sys.path} has the standard library only: neither the working
directory nor PYTHONPATH nor what the user has installed can give this process a module
that a cold start would not import.  The path of the script is that of its own process,
and of modules that are to be imported in advance.

From the daemon comes one packet for each client: a L{HEADER}, then the variables that
only this program has, divided by NUL characters, and one to three descriptors that
become 0, 1 and 2.  Or it is a listening socket, to accept from.  To the daemon go
packets of L{REPORT} records.

A child leaves all that is here behind: it returns to L{BOOT} what is to be called,
which runs the script with one frame below it, and then L{leave} ends the process as
the interpreter would, but without taking itself to pieces.  Whatever is unusual, such
as a script that is gone or has a syntax error, is left to the interpreter itself: the
child executes it.

All of it is in one file, long as that is, because a service's user and interpreter need
not be able to find another: they may have a root folder of their own, or no leave to
read what is installed.
"""

from __future__ import annotations

import sys

# What the interpreter has imported itself.  What is imported here is hidden again.
_BEFORE = globals().get("before") or set(sys.modules)

# Only modules that are part of the interpreter: the others take time, and a script may
# have files of the same names.
import _imp  # noqa: E402
import _io  # noqa: E402
import _operator  # noqa: E402
import _socket  # noqa: E402
import _struct  # noqa: E402
import _weakref  # noqa: E402
import builtins  # noqa: E402
import errno  # noqa: E402
import fcntl  # noqa: E402
import gc  # noqa: E402
import posix  # noqa: E402
import resource  # noqa: E402
import select  # noqa: E402
import time  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Container, Iterable, Iterator
    from typing import Any, Callable

    #: What a child is to call, and the arguments.
    Call = tuple[Callable[..., object], tuple[Any, ...]]
else:
    import _signal

#: What the interpreter runs, after a line that has set C{text} and C{orders}.  It must
#: import nothing before C{sys.path} has nothing but the standard library.
BOOT = """\
import sys
if sys.version_info < (3, 7) or sys.implementation.name != 'cpython': sys.exit(78)
sys.flags.isolated or getattr(sys.flags, 'safe_path', 0) or sys.path.pop(0)
for r in '__file__', '__cached__': globals().pop(r, 0)
w = {'__name__': 'inetdtw', 'before': set(sys.modules), 'path': sys.path}
w['text'], r = text, '/python%d.%d' % sys.version_info[:2]
r = sys.base_prefix + '/' + getattr(sys, 'platlibdir', 'lib') + r
r = getattr(sys, '_stdlib_dir', 0) or r
sys.path = [r, r.replace(sys.base_prefix, sys.base_exec_prefix, 1) + '/lib-dynload']
exec(compile(text, 'inetdtw', 'exec'), w)
try:
    w['serve'](orders)
    w['call'](*w.pop('given'))
except BaseException as x: w['error'] = x
w['leave']()
"""
#: What a process has to know, by the names of its orders: the form of the program, and
#: the place of that or of the script in C{plain}; what is to be imported in advance;
#: where a cold start looks for what it executes, and with which arguments; those that
#: an interpreter would find then; the working directory, which may be unknown.
ORDERS = frozenset(("form", "at", "asked", "paths", "cold", "plain", "directory"))
#: The exit statuses of an interpreter that is no CPython 3.7, of a process that has
#: threads now that it has imported what it was to, and of one whose orders are not for
#: it.
UNFIT, THREADED, MISFIT = 78, 79, 77

#: number of the order or of the listening socket, what it is
HEADER = _struct.Struct("=II")
#: Start a program; accept from a socket, and accept no more.
ORDER, ACCEPT, WITHDRAW = range(3)
#: kind, number, pid, wait status or errno or whether the interpreter itself was
#: executed, microseconds of cpu time; that of HELLO is the L{version}
REPORT = _struct.Struct("=BxxxIiiQ")
HELLO, STARTED, FAILED, ENDED = range(1, 5)
ADDRESSED, ACCEPTED, DROPPED, WITHDRAWN = range(8, 12)
#: What says in the place of a pid what was dropped: no connection had been taken; or
#: one had, but has no child.
UNTAKEN, TAKEN = 0, 1
#: The process should be followed by another.
STALE = 12
#: No more connections are accepted, as there are as many children as may be.
CROWDED = 13
#: What follows a header for a listening socket: how many children may run at once for
#: connections that were accepted here; 0 is no bound.
MOST = _struct.Struct("=I")
#: A record as long as a report: kind, whether it is IPv4, port, address in IPv6.
ADDRESS = _struct.Struct("=B?H16s4x")
#: The largest packet.
LARGEST = 1 << 18
#: The most reports of one packet: the daemon looks at so many bytes of it only.
TOGETHER = 1000
#: Reports that are not kept back any longer for others to come.
BATCH = 4

#: Modules of the standard library that a process can share with its children, as they
#: have nothing in them that should be a child's own: if a script imports some of them
#: itself, at its top, they are imported in advance whatever C{preload} is.
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

_PyCF_ONLY_AST = 0x400
#: What the name of a file ends with that can be imported; a folder has nothing there.
_SUFFIXES = frozenset(("", ".py", ".pyc", *_imp.extension_suffixes()))
#: The path of modules that the script is to find, where it is another one now.
_PATH: list[str] = globals().get("path") or sys.path
#: A file that changed so many seconds ago may change again within the same tick.
_YOUNG = 0.1
#: What part of its hard limit on processor time a process may use.
_WEARY = 0.8
#: The seconds that a connection may wait until there is room for another process.
_PATIENCE = 10.0

_VERSION = sys.version_info


def version(text: bytes) -> int:
    """
    Return a number that tells this text from others: the greatest of 64 bits that is
    prime has it as a remainder.
    """
    return int.from_bytes(text, "little") % (2**64 - 59)


def say(text: str) -> None:
    """
    Have the daemon log a line.
    """
    line = text.replace("\n", " ") + "\n"
    posix.write(2, line.encode("utf-8", "backslashreplace"))


def sendAll(channel: Any, reports: list[bytes]) -> None:
    """
    Send reports to the daemon, and wait while there is no room.
    """
    try:
        for first in range(0, len(reports), TOGETHER):
            channel.send(b"".join(reports[first : first + TOGETHER]))
    except (BrokenPipeError, ConnectionResetError):
        pass  # The daemon is gone; the next receive reports it.


def reasonOf(error: BaseException) -> str:
    """
    An error in words.
    """
    return f"{type(error).__name__}: {error}"


def stamp(path: Any) -> tuple[int, ...] | None:
    """
    What tells one state of a file from another; C{None} if it is not there.
    """
    try:
        found = posix.stat(path)
    except (OSError, ValueError):
        return None
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mode, *times)


def isYoung(stamped: tuple[int, ...] | None) -> bool:
    """
    Whether a file might have changed again after this without its stamp telling.
    """
    if stamped is None:
        return False
    return time.time() - max(stamped[-2:]) / 1e9 < _YOUNG


class Watched:
    """
    A file or a folder that is looked at again and again.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.note()

    def note(self) -> None:
        """
        Remember it as it is.
        """
        self._stamp = stamp(self.path)
        self._young = isYoung(self._stamp)

    def same(self) -> bool:
        """
        Whether it is certainly as it was.
        """
        if self._young:
            self._young = isYoung(self._stamp)
            return False
        return stamp(self.path) == self._stamp


class Way:
    """
    The way to the folder that a script is in, after all links.

    @ivar folder: what the interpreter has as the first of its path.
    """

    def __init__(self, path: str) -> None:
        self._links: list[tuple[str, str]] = []
        self.folder = self._follow(path)
        self._identity = identity(self.folder)

    def _follow(self, path: str) -> str:
        """
        Follow the path of a script.
        """
        done, left = "", _absolute(path).split("/")[::-1]
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            target = linkAt(f"{done}/{part}")
            if target is None:
                done = f"{done}/{part}"
                continue
            self._links.append((f"{done}/{part}", target))
            if len(self._links) > 40:
                break
            if target.startswith("/"):
                done = ""
            left.extend(target.split("/")[::-1])
        return done.rpartition("/")[0] or "/"

    def same(self) -> bool:
        """
        True if it leads to the same folder still.  The script's file tells nothing of
        that: another release may have a hard link to it.
        """
        if identity(self.folder) != self._identity:
            return False
        return all(linkAt(path) == target for path, target in self._links)


def linkAt(path: str) -> str | None:
    """
    Return what a symbolic link has; C{None} if there is none.
    """
    try:
        return posix.readlink(path)
    except (OSError, ValueError):
        return None


def identity(path: str) -> tuple[int, int] | None:
    """
    Return what tells a folder from all others; C{None} if it is not there.
    """
    try:
        found = posix.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _absolute(path: str) -> str:
    """
    A path from the root, as the interpreter makes it.
    """
    if path.startswith("/"):
        return path
    try:
        return f"{posix.getcwd()}/{path}"
    except OSError:
        return path


def importsOf(source: Any, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """
    What a script imports at its top: names of modules, and what is wanted of each.
    """
    tree: Any = compile(source, name, "exec", _PyCF_ONLY_AST, True)
    for node in tree.body:
        kind = type(node).__name__
        if kind == "Import":
            for each in node.names:
                yield each.name, ()
        elif kind == "ImportFrom" and not node.level and node.module != "__future__":
            wanted = (each.name for each in node.names if each.name != "*")
            yield node.module, tuple(wanted)


class Script:
    """
    C{python script.py}.

    @ivar argv: what the script finds as C{sys.argv}.
    @ivar problem: why it has to be left to the interpreter; empty if it has not.
    @ivar imports: what it imports at its top.
    @cvar needs: modules that the interpreter imports itself to run it.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, words: list[str]) -> None:
        self.argv = words
        # What is imported in advance may change the working directory.
        self._path = _absolute(words[0])
        # From 3.9 on, a script's name is absolute.
        self._name = self._path if _VERSION >= (3, 9) else words[0]
        self._file = self._way = None  # type: Any
        self._code: Any = None
        self._warnings = ""
        self.problem = ""
        self.imports: list[tuple[str, tuple[str, ...]]] = []

    def refresh(self) -> bool:
        """
        Look whether it has changed, and compile it then.

        @return: whether it has.
        """
        if self._file is None:
            self._file = Watched(self._path)
        elif self._file.same() and self._way.same():
            return False
        else:
            self._file.note()
        # If a link on the way leads elsewhere, the script is another file.
        self._way = Way(self._path)
        try:
            self.problem = ""
            self._compile()
        except (Exception, SystemExit) as why:
            self.problem = reasonOf(why)
        return True

    def _compile(self) -> None:
        """
        Read and compile it.

        @raise Exception: if that cannot be done.
        """
        if self._path.endswith(".pyc"):
            raise ValueError("it is compiled already")
        with _io.open(self._path, "rb") as file:
            source = file.read()
        self._code, self._warnings = compiled(source, self._name)
        self.imports = list(importsOf(source, self._name))

    def folder(self) -> str:
        """
        What goes first in the path of modules.
        """
        folder: str = self._way.folder
        return folder

    def enter(self) -> Call:
        """
        In a child: have C{__main__} as it is to be.

        @return: what runs the script.
        """
        external: Any = sys.modules["_frozen_importlib_external"]
        loader = external.SourceFileLoader("__main__", self._name)
        names = freshMain(loader)
        # It was looked whether that is a folder or an archive.
        sys.path_importer_cache[self._name] = None
        names["__file__"] = self._name
        names["__cached__"] = None
        if self._warnings:
            sys.stderr.write(self._warnings)
        return exec, (self._code, names)

    def left(self) -> None:
        """
        It has run.
        """
        names = vars(sys.modules.get("__main__", sys))
        names.pop("__file__", None)
        if _VERSION >= (3, 8):
            names.pop("__cached__", None)


class Command:
    """
    C{python -c code}.
    """

    problem = ""
    needs = ("linecache",) if _VERSION >= (3, 13) else ()

    def __init__(self, words: list[str]) -> None:
        self._source = words[1] + "\n"
        self.argv = ["-c", *words[2:]]
        self.imports: list[tuple[str, tuple[str, ...]]] = []
        self._code: Any = None
        self._warnings = ""

    def refresh(self) -> bool:
        """
        Compile it once.
        """
        if self._code is not None or self.problem:
            return False
        try:
            # Before 3.10 it could say in which encoding it is, though it is in none.
            source = self._source.encode() if _VERSION < (3, 10) else self._source
            self._code, self._warnings = compiled(source, "<string>")
            self.imports = list(importsOf(source, "<string>"))
        except (Exception, SystemExit) as why:
            self.problem = reasonOf(why)
        return True

    def folder(self) -> str:
        """
        What goes first in the path of modules.
        """
        return ""

    def enter(self) -> Call:
        """
        In a child: have C{__main__} as it is to be.
        """
        names = freshMain(_BUILTIN)
        if self.needs:
            lines: Any = __import__("linecache")
            # In 3.13.0 it is known by its name only.
            code = self._code if hasattr(lines, "_code_key") else "<string>"
            lines._register_code(code, self._source, "<string>")
        if self._warnings:
            sys.stderr.write(self._warnings)
        return exec, (self._code, names)

    def left(self) -> None:
        """
        Nothing is taken away after it has run.
        """


class Module:
    """
    C{python -m module}: it is found and compiled by each child, and so by nobody before
    there is a client.
    """

    problem = ""
    needs = ("runpy",)

    def __init__(self, words: list[str]) -> None:
        self._module = words[1]
        self._folder = _absolute("")[:-1] or "/"
        self.argv = ["-m", *words[2:]]
        self.imports: list[tuple[str, tuple[str, ...]]] = []
        self._fresh = True

    def refresh(self) -> bool:
        """
        There is nothing to compile.
        """
        fresh, self._fresh = self._fresh, False
        return fresh

    def findImports(self) -> None:
        """
        Find out what it imports; its package is imported for that.
        """
        util: Any = __import__("importlib.util", fromlist=["find_spec"])
        for name in (self._module, f"{self._module}.__main__"):
            spec = util.find_spec(name)
            if spec is not None and not spec.submodule_search_locations:
                source = spec.loader.get_source(name)
                self.imports = list(importsOf(source, name))
                return

    def folder(self) -> str:
        """
        What goes first in the path of modules.
        """
        return self._folder

    def enter(self) -> Call:
        """
        In a child: have C{__main__} as it is to be.
        """
        freshMain(_BUILTIN)
        runpy: Any = __import__("runpy")
        return runpy._run_module_as_main, (self._module, True)

    def left(self) -> None:
        """
        Nothing is taken away after it has run.
        """


FORMS: dict[str, Any] = {"": Script, "-c": Command, "-m": Module}
_BUILTIN: Any = sys.modules["_frozen_importlib"].__dict__["BuiltinImporter"]


def compiled(source: Any, name: str) -> tuple[Any, str]:
    """
    A script's code, and what the compiler has to say about it.
    """
    before, sys.stderr = sys.stderr, _io.StringIO()
    modules = set(sys.modules)
    try:
        code = compile(source, name, "exec", 0, True)
        said: Any = sys.stderr
        return code, said.getvalue()
    finally:
        sys.stderr = before
        # To show a warning others are imported, which may be the script's own.
        for added in set(sys.modules) - modules:
            del sys.modules[added]


def freshMain(loader: Any) -> dict[str, Any]:
    """
    Have a new C{__main__}.

    @return: its names.
    """
    main, before = type(sys)("__main__"), sys.modules.get("__main__")
    names = vars(main)
    names["__loader__"] = loader
    if _VERSION < (3, 14):
        names["__annotations__"] = {}
    names["__builtins__"] = builtins
    sys.modules["__main__"] = main
    if sys.modules.get("__mp_main__", main) is before:
        sys.modules["__mp_main__"] = main
    return names


_INSTALLED = ("/site-packages/", "/dist-packages/")


class Library:
    """
    Tells the standard library from all other modules.
    """

    def __init__(self) -> None:
        encodings: Any = sys.modules["encodings"]
        root = encodings.__file__.rpartition("/")[0].rpartition("/")[0]
        self._root = f"{root}/"
        above, number = root.rpartition("/")[0], "{}{}".format(*_VERSION[:2])
        # It is in the path wherever it could be.
        self._archive = f"{above}/python{number}.zip/"

    def has(self, module: Any, installed: bool = False) -> bool:
        """
        Whether a module is the standard library's, or the interpreter's own.

        @param installed: whether those that are installed besides are meant too.
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
        True if a path, which ends with a slash, is that of the standard library, or of
        what is installed.
        """
        installed = any(each in path for each in _INSTALLED)
        return installed or path.startswith((self._root, self._archive))


def entries(path: str) -> frozenset[str]:
    """
    Return the names in a folder; of an archive, something that is no name and tells it
    from another one.
    """
    try:
        return frozenset(posix.listdir(path))
    except NotADirectoryError:
        return frozenset((f"/{stamp(path)}",))
    except (OSError, ValueError):
        return frozenset()


def offers(entry: str, names: Container[str]) -> bool:
    """
    True if a file, or folder, may be one of some modules; an archive may have any.
    """
    name, dot, suffix = entry.partition(".")
    return entry[:1] == "/" or (name in names and dot + suffix in _SUFFIXES)


class Place:
    """
    A folder or an archive in which modules are looked for.

    @ivar path: where it is.
    @ivar has: what it has of the modules that matter.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._watched = Watched(path)
        self._names: Container[str] = ()
        # What comes while modules are being imported is not what they were found among.
        self.has = entries(path)

    def mind(self, names: Container[str]) -> None:
        """
        Look at nothing any more but some modules.
        """
        self._names = names
        self.has = self._among(self.has)

    def _among(self, found: frozenset[str]) -> frozenset[str]:
        return frozenset(each for each in found if offers(each, self._names))

    def changed(self) -> bool:
        """
        True if it has other files now that may be one of these modules.
        """
        if self._watched.same():
            return False
        self._watched.note()
        return self._among(entries(self.path)) != self.has


class Preloaded:
    """
    What was imported before there was a client.

    @ivar path: the path of modules that a script is to find, but for its own folder.
    @ivar placed: whether that has its own folder already.
    """

    def __init__(self, program: Any, asked: str, library: Library) -> None:
        """
        @param asked: C{auto}, or names of modules with commas between, or nothing, or
            C{-} for not even what can be shared.
        """
        self._program = program
        self._asked = asked
        self._library = library
        self._before = set(sys.modules)
        self._wanted: list[tuple[str, tuple[str, ...]]] = []
        self._files: dict[str, tuple[int, ...] | None] = {}
        self._places: list[Place] = []
        self._folder: str | None = None
        self._stale = False
        self.path = _PATH
        self.placed = False

    def load(self, hasFolder: bool) -> None:
        """
        Import it.

        @param hasFolder: whether the path of modules has the script's own folder.
        """
        begun = time.time()
        folder = self._folder = self._program.folder() if hasFolder else None
        own = [] if folder is None else [folder]
        self._places = self._placesOf([*own, *self.path])
        if self._asked in ("", "-"):
            self._import()
        else:
            self.placed = folder is not None
            self.path[:0] = own
            self._importFrom(self.path)
        self._look(begun)

    def _placesOf(self, path: list[str]) -> list[Place]:
        """
        Return the places of a path in which modules may come and go: the standard
        library and what is installed are taken to stay as they are.
        """
        absolute = [_absolute(each) for each in path if isinstance(each, str)]
        absolute = [each.rstrip("/") for each in absolute]
        own = [each for each in absolute if not self._library.isWithin(f"{each}/")]
        return [Place(each or "/") for each in own]

    def _importFrom(self, path: list[str]) -> None:
        """
        Import what is to be imported from a script's own path.
        """
        usual, sys.path = sys.path, path
        try:
            if self._asked == "auto" and isinstance(self._program, Module):
                self._tryFind()
            self._import()
        finally:
            # Modules may have another path now.
            self.path, sys.path = sys.path, usual

    def _import(self) -> None:
        """
        Import what is to be imported.
        """
        self._wanted = self.wanted()
        for name, parts in self._wanted:
            self._importOne(name, parts)

    def _tryFind(self) -> None:
        """
        Find out what a module imports, if it can be found.
        """
        try:
            self._program.findImports()
        except (Exception, SystemExit) as why:
            say(f"preload: {reasonOf(why)}")

    def wanted(self) -> list[tuple[str, tuple[str, ...]]]:
        """
        What is to be imported.
        """
        needed: list[tuple[str, tuple[str, ...]]] = []
        needed += [(name, ()) for name in self._program.needs]
        found = [*needed, *self._program.imports]
        if self._asked == "-":
            return []
        if self._asked == "auto":
            return found
        if self._asked:
            return [*needed, *[(name, ()) for name in self._asked.split(",")]]
        return [each for each in found if each[0].partition(".")[0] in SHARED]

    def _importOne(self, name: str, parts: tuple[str, ...]) -> None:
        """
        Import one module, or leave all as it was.
        """
        before = set(sys.modules)
        try:
            __import__(name, {}, {}, parts)
        except (Exception, SystemExit) as why:
            for added in set(sys.modules) - before:
                del sys.modules[added]
            say(f"preload: {name}: {reasonOf(why)}")

    def _look(self, begun: float) -> None:
        """
        Remember what must not change.

        @param begun: when nothing was imported yet.
        """
        added = {name: sys.modules[name] for name in set(sys.modules) - self._before}
        # What is multiprocessing's name for __main__.
        added.pop("__mp_main__", None)
        known = {place.path for place in self._places}
        self._places += self._placesOf(
            [each for each in self.path if each not in known]
        )
        names = frozenset(name.partition(".")[0] for name in added)
        for place in self._places:
            place.mind(names)
        if self._asked in ("", "-"):
            if not names:
                self._places.clear()
            elif any(place.has for place in self._places):
                # Not all of them are what the script would import.
                self._giveUp(added)
        for name, module in added.items():
            if not self._library.has(module, True):
                self._lookAt(name, module, added)
        # Those that changed meanwhile may not be what was imported.
        times = [found[-1] / 1e9 for found in self._files.values() if found]
        self._stale = any(begun - _YOUNG <= each <= time.time() for each in times)

    def _lookAt(self, name: str, module: Any, added: Iterable[str]) -> None:
        """
        Remember the files of one module.
        """
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            self._files[path] = stamp(path)
        within = f"{name}."
        parts = [each[len(within) :] for each in added if each.startswith(within)]
        for place in self._placesOf(list(getattr(module, "__path__", None) or ())):
            place.mind(frozenset(parts))
            self._places.append(place)

    def _giveUp(self, added: dict[str, Any]) -> None:
        """
        Have nothing imported in advance after all.
        """
        for name in added:
            sys.modules.pop(name, None)
        added.clear()
        self._places.clear()

    def changed(self) -> bool:
        """
        Whether other modules should have been imported.
        """
        return self.wanted() != self._wanted

    def stale(self) -> bool:
        """
        Whether something is not what would be imported now.  It stays so, also if all
        is as it was again.
        """
        self._stale = self._stale or self._isOld()
        return self._stale

    def spoil(self) -> None:
        """
        Have it be stale.
        """
        self._stale = True

    def _isOld(self) -> bool:
        if any(stamp(path) != before for path, before in self._files.items()):
            return True
        moved = self._folder is not None and self._folder != self._program.folder()
        if moved and (self.placed or self._places):
            return True
        return any(place.changed() for place in self._places)


def high(fd: int) -> int:
    """
    Move a descriptor out of the way of what a script opens.
    """
    for least in (400, 100, 30):
        try:
            moved: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least)
        except OSError:
            continue
        posix.close(fd)
        return moved
    posix.set_inheritable(fd, False)
    return fd


def takeChannel() -> int:
    """
    Take descriptor 1 for the channel to the daemon, and leave nothing at 0 and 1.
    """
    channel = high(posix.dup(1))
    try:
        nothing = posix.open("/dev/null", posix.O_RDWR)
    except OSError:
        beSockets()
    else:
        posix.dup2(nothing, 0)
        posix.dup2(nothing, 1)
        posix.close(nothing)
    return channel


def beSockets() -> None:
    """
    Have at 0 and 1 a socket that nobody has the other end of: it is most like what a
    client's will be.
    """
    nothing, other = _socket.socketpair()
    posix.dup2(nothing.fileno(), 0)
    posix.dup2(nothing.fileno(), 1)
    nothing.close()
    other.close()


class Start:
    """
    What a process that is executed takes over, as it was before anything was imported.
    """

    def __init__(self) -> None:
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self._umask = posix.umask(0)
        posix.umask(self._umask)
        self._ignored = {
            number
            for number in range(1, _signal.NSIG)
            if _signal.getsignal(number) == _signal.SIG_IGN
        }
        # The interpreter ignores these itself.
        self._ignored -= {_signal.SIGPIPE, _signal.SIGXFSZ}

    def restore(self) -> None:
        """
        Have it be so again.
        """
        for number in range(1, _signal.NSIG):
            ignored = _signal.getsignal(number) == _signal.SIG_IGN
            if ignored and number not in self._ignored:
                _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)
        posix.umask(self._umask)


class Directory:
    """
    The working directory, which another one may take the place of.
    """

    def __init__(self, path: str) -> None:
        """
        Go there, if this process is elsewhere.

        @param path: where it is; empty if that is not known.

        @raise OSError: if the user may not go there.
        """
        self._path = path
        self._identity = identity(path)
        if self._identity is None:
            self._path = _absolute("")
        elif self._identity != identity("."):
            posix.chdir(path)

    def same(self) -> bool:
        """
        True if a cold start would have the same.
        """
        return self._identity is None or identity(self._path) == self._identity

    def isThere(self) -> bool:
        """
        True if there is one that the user may go to, as far as that can be known.
        """
        return self._identity is None or mayEnter(self._path)

    def enter(self) -> None:
        """
        Be in the one that a cold start would have.

        @raise OSError: if that is gone, or the user may not go there any more.
        """
        if self._path:
            posix.chdir(self._path)


class Executable:
    """
    What a cold start executes: the first of some paths where there is something, as for
    execvp(3).
    """

    def __init__(self, paths: list[bytes]) -> None:
        self._paths = paths
        self._first = self._find()

    def _find(self) -> bytes | None:
        return next(filter(isExecutable, self._paths), None)

    def same(self) -> bool:
        """
        True if it has the same path still, as far as that is found in one of several.
        """
        return len(self._paths) == 1 or self._find() == self._first

    def isThere(self) -> bool:
        """
        True if there is one.
        """
        return self._find() is not None

    def execute(self, argv: list[bytes], environment: dict[bytes, bytes]) -> None:
        """
        Become it.

        @raise OSError: if that cannot be.
        """
        for path in self._paths[:-1]:
            try:
                posix.execve(path, argv, environment)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                pass  # Read the next one.
        posix.execve(self._paths[-1], argv, environment)


def isExecutable(path: Any, kind: int = 0o100000) -> bool:
    """
    True if there is a file that this process may execute.

    @param kind: its type in stat(2)'s mode.
    """
    try:
        isKind = posix.stat(path).st_mode & 0o170000 == kind
    except (OSError, ValueError):
        return False
    return isKind and posix.access(path, posix.X_OK)


def mayEnter(path: str) -> bool:
    """
    True if there is a folder that this process may go to.
    """
    return isExecutable(path, 0o040000)


class Server:
    """
    Takes orders from the daemon, and forks.
    """

    def __init__(
        self,
        channel: int,
        program: Any,
        directory: Directory,
        orders: dict[str, Any],
    ) -> None:
        """
        @param channel: the descriptor that leads to the daemon.
        @param program: what to run.
        @param directory: where.
        @param orders: what else it has to know, by the names that are L{ORDERS}.
        """
        self._channel = _socket.socket(fileno=channel)
        self._buffer = bytearray(LARGEST)
        self._program = program
        self._executable = Executable(orders["paths"])
        self._cold: list[bytes] = orders["cold"]
        self._environment = dict(posix.environ)
        self._library = Library()
        self._preloaded = Preloaded(program, orders["asked"], self._library)
        self._hasFolder = not (sys.flags.isolated or getattr(sys.flags, "safe_path", 0))
        self._reports: list[bytes] = []
        self._running: dict[int, int] = {}
        self._listening: dict[int, tuple[int, Any]] = {}
        self._accepted: set[int] = set()
        self._mostAccepted = 0
        self._poll = select.poll()
        self._interpreter = Watched(sys.executable or "")
        self._start = Start()
        self._directory = directory
        self._stale = False
        self._problem = ""
        self._streams = Streams()
        self._cpu: tuple[int, int] | None = None
        self._most = 0.0
        self._before: tuple[Any, int] = (_signal.SIG_DFL, -1)

    def prepare(self) -> None:
        """
        Do everything that can be done without a client.
        """
        self._limit()
        self._endWithDaemon(True)
        self._program.refresh()
        self._preloaded.load(self._hasFolder)
        self._exits, self._wake = map(high, posix.pipe())
        posix.set_blocking(self._exits, False)
        posix.set_blocking(self._wake, False)
        if threads() > 1:
            say("preload: what was imported has started a thread, nothing is now")
            posix._exit(THREADED)
        self._endWithDaemon(False)
        self._streams.flush()
        # Others than the standard library's may change within a tick of their clock.
        for place in set(sys.path_importer_cache).difference(sys.path):
            del sys.path_importer_cache[place]
        self.ending = Ending(self._library)
        self.collects = gc.isenabled()
        gc.disable()
        gc.collect()
        gc.freeze()

    def _endWithDaemon(self, on: bool) -> None:
        """
        Have the system end this process when the daemon leaves, whatever is being
        imported at that moment, and maybe for ever: SIGIO does, unless it is handled.
        """
        fd = self._channel.fileno()
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        asynchronous = getattr(fcntl, "FASYNC", 0)
        fcntl.fcntl(fd, fcntl.F_SETOWN, posix.getpid() if on else 0)
        flags = flags | asynchronous if on else flags & ~asynchronous
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)
        poll = select.poll()
        poll.register(fd, 0)
        if poll.poll(0):
            # It has left already.
            posix._exit(0)

    def _limit(self) -> None:
        """
        Have only children stop at the soft limit of processor time: this process would
        count the time for all of them.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if soft != resource.RLIM_INFINITY:
            self._cpu = (soft, hard)
            resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
        if hard != resource.RLIM_INFINITY:
            self._most = hard * _WEARY

    def serve(self) -> Call:
        """
        Work until the daemon is gone.

        @return: in a child, what it is to call.
        """
        # Something that does nothing of a number and a frame.
        handler = _signal.signal(_signal.SIGCHLD, _operator.is_)
        wakeup = _signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._before = (_signal.SIG_DFL if handler is None else handler, wakeup)
        self._poll.register(self._channel.fileno(), select.POLLIN)
        self._poll.register(self._exits, select.POLLIN)
        hello = REPORT.pack(HELLO, 0, posix.getpid(), 0, version(globals()["text"]))
        self._reports.append(hello)
        while True:
            for fd, _ in self._poll.poll(0 if self._reports else None) or self._idle():
                child = self._about(fd)
                if child is not None:
                    return child
            if len(self._reports) >= BATCH:
                self._flush()

    def _idle(self) -> Any:
        """
        Wait for something to do, when all is said.
        """
        self._flush()
        return self._poll.poll()

    def _report(
        self, kind: int, number: int, pid: int, value: int, cpu: float = 0.0
    ) -> None:
        """
        Tell the daemon something, at the next L{_flush}.
        """
        self._reports.append(REPORT.pack(kind, number, pid, value, int(cpu * 1e6)))

    def _flush(self) -> None:
        """
        Send the reports that have come together.
        """
        if self._reports:
            sendAll(self._channel, self._reports)
            self._reports.clear()

    def _about(self, fd: int) -> Call | None:
        """
        Do what a descriptor is ready for.

        @return: in a child, what it is to call.
        """
        if fd == self._exits:
            while len(posix.read(fd, 4096)) == 4096:
                pass  # Only the wake-up matters.
            self._reap()
            return None
        if fd in self._listening:
            return self._accept(*self._listening[fd])
        if fd == self._channel.fileno():
            return self._receive()
        return None

    def _receive(self) -> Call | None:
        """
        Take a packet.
        """
        room = _socket.CMSG_LEN(3 * 4)
        flags = _socket.MSG_DONTWAIT | getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            length, rights, _, _ = self._channel.recvmsg_into(
                [self._buffer], room, flags
            )
        except BlockingIOError:
            return None
        except ConnectionResetError:
            length, rights = 0, []
        if not length:
            self._flush()
            posix._exit(0)
        fds = [
            fd
            for _, _, data in rights
            for fd in _struct.unpack(f"={len(data) // 4}i", data[: len(data) & ~3])
        ]
        number, what = HEADER.unpack_from(self._buffer)
        if what == ACCEPT:
            (self._mostAccepted,) = MOST.unpack_from(self._buffer, HEADER.size)
            self._listen(number, fds[0])
        elif what == WITHDRAW:
            self._withdraw(number)
        elif what == ORDER:
            extra = bytes(self._buffer[HEADER.size : length])
            return self._order(number, extra, fds)
        else:
            misfit(f"there is no order {what}")
        return None

    def _listen(self, number: int, fd: int) -> None:
        """
        Accept from a socket from now on.
        """
        listening = _socket.socket(fileno=high(fd))
        self._listening[listening.fileno()] = (number, listening)
        self._poll.register(listening.fileno(), select.POLLIN)
        self._leaveIfCrowded()

    def _leaveIfCrowded(self) -> None:
        """
        Leave all sockets to the daemon, if there are as many children as may be.
        """
        if 0 < self._mostAccepted <= len(self._accepted):
            for number, _ in list(self._listening.values()):
                self._forget(number)
                self._report(CROWDED, number, 0, 0)

    def _withdraw(self, number: int) -> None:
        """
        Accept no more from a socket, and say so.
        """
        self._forget(number)
        self._report(WITHDRAWN, number, 0, 0)

    def _forget(self, number: int) -> None:
        """
        Accept no more from a socket.
        """
        for fd, (each, listening) in list(self._listening.items()):
            if each == number:
                del self._listening[fd]
                self._poll.unregister(fd)
                listening.close()

    def _accept(self, number: int, listening: Any) -> Call | None:
        """
        Take a connection, and fork for it.
        """
        cold = self._isCold()
        if cold and not self._isAble():
            # The daemon can say why.
            self._drop(number, UNTAKEN, errno.ENOENT)
            return None
        try:
            fd, peer = listening._accept()
        except OSError as why:
            if why.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                self._drop(number, UNTAKEN, why.errno)
            return None
        if not isThere(fd):
            posix.close(fd)
            return None
        try:
            pid = self._patiently()
        except OSError as why:
            posix.close(fd)
            self._addressed(peer)
            self._drop(number, TAKEN, why.errno or errno.EAGAIN)
            return None
        if not pid:
            return self._child(0, cold, [fd], lambda: ofConnection(fd, peer))
        posix.close(fd)
        self._running[pid] = number
        self._accepted.add(pid)
        self._addressed(peer)
        self._report(ACCEPTED, number, pid, cold)
        self._leaveIfCrowded()
        return None

    def _patiently(self) -> int:
        """
        Fork for a connection that is accepted, and wait while there is no room for
        another process: other connections wait in the backlog.

        @raise OSError: if it takes too long.
        """
        pause, limit = 0.02, time.monotonic() + _PATIENCE
        while True:
            try:
                return posix.fork()
            except OSError as why:
                if time.monotonic() > limit:
                    raise
                if pause == 0.02:
                    say(f"no room for another process: {why.strerror}")
            self._reap()
            self._flush()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _addressed(self, peer: Any) -> None:
        """
        Say who a client is.
        """
        record = packAddress(ADDRESSED, peer)
        if record is not None:
            self._reports.append(record)

    def _drop(self, number: int, what: int, why: int) -> None:
        """
        Leave a socket to the daemon, which has other means.

        @param what: whether there is a client for whom something went wrong.
        """
        self._forget(number)
        self._report(DROPPED, number, what, why)

    def _order(self, number: int, extra: bytes, fds: list[int]) -> Call | None:
        """
        Fork for a client.
        """
        cold = self._isCold()
        try:
            pid = posix.fork()
        except OSError as why:
            self._report(FAILED, number, 0, why.errno or errno.EAGAIN)
            pid = -1
        if not pid:
            return self._child(number, cold, fds, lambda: pairs(extra.split(b"\0")))
        for fd in fds:
            posix.close(fd)
        if pid > 0:
            self._running[pid] = number
        return None

    def _isCold(self) -> bool:
        """
        Whether the next child has to execute the interpreter itself.
        """
        if self._program.refresh():
            gc.collect()
            gc.freeze()
            if not self._program.problem and self._preloaded.changed():
                self._wither()
        if self._isOld():
            self._wither()
            return True
        if self._most and time.process_time() > self._most:
            self._wither()
        if self._program.problem != self._problem:
            self._problem = self._program.problem
            if self._problem:
                say(f"cold: {self._problem}")
        return bool(self._problem)

    def _isAble(self) -> bool:
        """
        True if a child can become what a cold start would be, as far as that can be
        known.
        """
        there = self._executable.isThere() and self._directory.isThere()
        interpreter = self._interpreter.path
        return there and (not interpreter or isExecutable(interpreter))

    def _isOld(self) -> bool:
        """
        True if this process is not what would be started now.
        """
        for thing in (self._directory, self._executable, self._interpreter):
            if not thing.same():
                self._preloaded.spoil()
        return self._preloaded.stale()

    def _wither(self) -> None:
        """
        Ask to be followed by another process.
        """
        if not self._stale:
            self._stale = True
            self._report(STALE, 0, posix.getpid(), 0)

    def _reap(self) -> None:
        """
        Report the children that have ended.
        """
        while True:
            try:
                pid, status, usage = posix.wait4(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            number = self._running.pop(pid, 0)
            self._accepted.discard(pid)
            cpu = usage.ru_utime + usage.ru_stime
            self._report(ENDED, number, pid, status, cpu)

    def _child(
        self,
        number: int,
        cold: bool,
        fds: list[int],
        extra: Callable[[], dict[bytes, bytes]],
    ) -> Call:
        """
        Be a client's program.

        @return: what to call.
        """
        added: dict[bytes, bytes] = {}
        try:
            if number:
                self._announce(number, cold)
            posix.setsid()
            handler, wakeup = self._before
            _signal.signal(_signal.SIGCHLD, handler)
            _signal.set_wakeup_fd(wakeup)
            added = extra()
            self._take(fds)
            if self._cpu is not None:
                resource.setrlimit(resource.RLIMIT_CPU, self._cpu)
            if cold:
                self._execute(added)
            self._arrive(added)
            entered: Call = self._program.enter()
            return entered
        except BaseException:
            # Whatever it is, the interpreter itself may do better.
            self._execute(added)
        posix._exit(127)

    def _announce(self, number: int, cold: bool) -> None:
        """
        Say that this child is there.  It is the child that says so: while it might, it
        has the channel open, and so the daemon knows when nobody will any more.  What
        cannot be executed is left to the daemon, which can say why.
        """
        if cold and not self._isAble():
            report = REPORT.pack(FAILED, number, 0, errno.ENOENT, 0)
            self._channel.send(report)
            posix._exit(127)
        self._channel.send(REPORT.pack(STARTED, number, posix.getpid(), cold, 0))

    def _take(self, fds: list[int]) -> None:
        """
        Have the client at 0, 1 and 2, and nothing else open that is ours.
        """
        for to in range(3):
            posix.dup2(fds[min(to, len(fds) - 1)], to)
        for fd in fds:
            posix.close(fd)
        self._channel.close()
        posix.close(self._exits)
        posix.close(self._wake)
        for _, listening in self._listening.values():
            listening.close()

    def _execute(self, added: dict[bytes, bytes]) -> None:
        """
        Become what a cold start would be.
        """
        self._start.restore()
        environment = {**self._environment, **added}
        try:
            self._directory.enter()
            self._executable.execute(self._cold, environment)
        except OSError:
            posix._exit(127)

    def _arrive(self, added: dict[bytes, bytes]) -> None:
        """
        Be as an interpreter that has just started.
        """
        global _child, _server
        _child, _server = True, self
        os: Any = sys.modules.get("os")
        for name, value in added.items():
            if os is not None:
                os.environb[name] = value
            else:
                posix.environ[name] = value
                posix.putenv(name, value)
        self._streams.renew()
        sys.argv = self._program.argv
        sys.path = self._preloaded.path
        if self._hasFolder and not self._preloaded.placed:
            sys.path.insert(0, self._program.folder())
        if self.collects:
            gc.enable()


class Streams:
    """
    The standard streams, as the interpreter makes them for what is at 0, 1 and 2.

    The objects stay the same, as modules may have them.
    """

    #: What cannot seek and is no terminal, by stat(2)'s type: sockets and pipes.
    _STEADY = (0o140000, 0o010000)

    def __init__(self) -> None:
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._kinds: list[Any] = [None, None, None]

    def _kind(self, fd: int) -> Any:
        """
        What a stream depends on of what is at its descriptor.
        """
        found = posix.fstat(fd)
        return found.st_mode & 0o170000 in self._STEADY and found.st_blksize

    def renew(self) -> None:
        """
        Make those anew that would be different by now.
        """
        for fd in range(3):
            kind = self._kind(fd)
            if not kind or kind != self._kinds[fd]:
                self._make(self._streams[fd], fd)
                self._kinds[fd] = kind

    def flush(self) -> None:
        """
        Leave nothing in them for children, and have them as most children need them.
        """
        for stream in self._streams[1:]:
            quietly(stream, "flush")
        beSockets()
        self.renew()

    def _make(self, stream: Any, fd: int) -> None:
        """
        Make one of them anew.
        """
        buffer, unbuffered = stream.buffer, stream.write_through
        encoding, errors = stream.encoding, stream.errors
        # One that is there already would remember whether it could seek.
        raw: Any = _io.FileIO(fd, "wb" if fd else "rb", closefd=False)
        raw.name = buffer.name
        if isinstance(buffer, _io.FileIO):
            buffer = raw
        else:
            size = raw._blksize
            buffer.__init__(raw, size if size > 1 else _io.DEFAULT_BUFFER_SIZE)
        lines = raw.isatty() or (fd == 2 and _VERSION >= (3, 9))
        lines = lines and not unbuffered
        stream.__init__(buffer, encoding, errors, "\n", lines, unbuffered)


def threads() -> int:
    """
    How many threads this process has.
    """
    try:
        return len(posix.listdir("/proc/self/task"))
    except OSError:
        threading: Any = sys.modules.get("threading")
        return 1 if threading is None else threading.active_count()


def isThere(fd: int) -> bool:
    """
    Whether a client is: one that is gone has no name any more.
    """
    connection = _socket.socket(fileno=fd)
    try:
        connection.getpeername()
    except OSError:
        return False
    finally:
        connection.detach()
    return True


def pairs(texts: Iterable[bytes]) -> dict[bytes, bytes]:
    """
    An environment.
    """
    divided = (text.partition(b"=") for text in texts if text)
    return {name: value for name, _, value in divided}


def plain(host: str) -> str:
    """
    An address as a person writes it: IPv4 mapped into IPv6 is IPv4.
    """
    mapped = host.startswith("::ffff:") and "." in host and host.count(":") == 3
    return host[7:] if mapped else host


def ofConnection(fd: int, peer: Any) -> dict[bytes, bytes]:
    """
    What a program is told of the connection that it serves.
    """
    posix.set_blocking(fd, True)
    connection = _socket.socket(fileno=fd)
    local: Any = connection.getsockname()
    connection.detach()
    if not isinstance(peer, tuple) or not isinstance(local, tuple):
        return {b"PROTO": b"UNIX"}
    remote, port = plain(peer[0]).encode(), b"%d" % peer[1]
    return {
        b"PROTO": b"TCP",
        b"TCPLOCALIP": plain(local[0]).encode(),
        b"TCPLOCALPORT": b"%d" % local[1],
        b"TCPREMOTEIP": remote,
        b"TCPREMOTEPORT": port,
        b"REMOTE_ADDR": remote,
        b"REMOTE_PORT": port,
    }


def packAddress(kind: int, peer: Any) -> bytes | None:
    """
    A record of a client's address, for the daemon; a UNIX socket has none.
    """
    if not isinstance(peer, tuple):
        return None
    host = plain(peer[0]).partition("%")[0]
    if ":" in host:
        packed = _socket.inet_pton(_socket.AF_INET6, host)
        return ADDRESS.pack(kind, False, peer[1], packed)
    prefix = b"\0" * 10 + b"\xff\xff"
    return ADDRESS.pack(kind, True, peer[1], prefix + _socket.inet_aton(host))


_child = False
_server = None  # type: Any
#: What a child is to call.
call = None  # type: Any
given = ()  # type: tuple[Any, ...]
#: What a script has raised.
error = None  # type: BaseException | None


def misfit(what: str) -> None:
    """
    End, as the daemon asks for something that this text does not know.
    """
    say(f"the daemon is of another version: {what}")
    posix._exit(MISFIT)


def native(text: bytes) -> str:
    """
    Return an argument as the interpreter decodes it.
    """
    return text.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def serve(orders: dict[str, Any]) -> None:
    """
    Be a warm process.

    It returns in a child only, which is to call L{call} with what is L{given}.

    @param orders: what it has to know, by the names that are L{ORDERS}.
    """
    global call, given
    for name in set(sys.modules) - _BEFORE:
        del sys.modules[name]
    channel = takeChannel()
    for unknown in sorted(ORDERS.symmetric_difference(orders)):
        misfit(f"'{unknown}' is unknown to one of us")
    orig = list(map(native, orders["plain"]))
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = orig
    directory = Directory(native(orders["directory"]))
    program = FORMS[orders["form"]](orig[orders["at"] :])
    sys.argv = list(program.argv)
    server = Server(channel, program, directory, orders)
    server.prepare()
    call, given = server.serve()


def leave() -> None:
    """
    End as the interpreter ends after a script.
    """
    global error, _server
    raised, error = error, None
    server, _server = _server, None
    if not _child or server is None:
        if raised is not None:
            sys.__excepthook__(type(raised), raised, raised.__traceback__)
        posix._exit(1)
    if raised is not None and raised.__traceback__ is not None:
        raised.__traceback__ = raised.__traceback__.tb_next
    program = server._program
    if isinstance(program, Script):
        for name in ("stderr", "stdout"):
            quietly(getattr(sys, name, None), "flush")
    status, interrupted, finished = 0, False, True
    if isinstance(raised, SystemExit):
        status, finished = statusOf(raised), False
    elif raised is not None:
        interrupted = isinstance(raised, KeyboardInterrupt) and _VERSION >= (3, 8)
        told = tell(raised)
        status, finished = (1, True) if told is None else (told, False)
    if finished:
        program.left()
    raised = None
    server.ending.end(status, interrupted)


def quietly(thing: Any, name: str) -> None:
    """
    Call a method, and ignore what it raises.
    """
    try:
        getattr(thing, name)()
    except BaseException:
        pass  # The daemon cannot be told.


def statusOf(raised: Any) -> int:
    """
    The exit status of SystemExit; a code that is no number is printed.
    """
    code = raised.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF
    try:
        sys.stderr.write(str(code))
    except BaseException:
        pass  # The daemon cannot be told.
    try:
        sys.stderr.write("\n")
    except BaseException:
        pass  # The daemon cannot be told.
    return 1


def tell(raised: Any) -> int | None:
    """
    Have an exception printed.

    @return: the exit status, if whoever prints it has left.
    """
    kind, trace = type(raised), raised.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, raised, trace
    if _VERSION >= (3, 12):
        setattr(sys, "last_exc", raised)  # noqa: B010 - unknown to earlier versions
    hook: Any = getattr(sys, "excepthook", sys)
    if hook is sys:
        sys.stderr.write("sys.excepthook is missing\n")
        sys.__excepthook__(kind, raised, trace)
        return None
    try:
        hook(kind, raised, trace)
    except SystemExit as why:
        return statusOf(why)
    except BaseException as why:
        within = why.__traceback__
        why.__traceback__ = None if within is None else within.tb_next
        try:
            sys.stderr.write("Error in sys.excepthook:\n")
            sys.__excepthook__(type(why), why, why.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")
            sys.__excepthook__(kind, raised, trace)
        except BaseException:
            pass  # The daemon cannot be told.
    return None


class Ending:
    """
    What is to be done at the end of a script, of which as much as possible is found
    out before there is one: a child that looks at what it shares gets a copy.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._known = {name: id(module) for name, module in sys.modules.items()}
        own = (name for name in sys.modules if self._isScripts(name, sys.modules[name]))
        self._torn = list(own)
        self._foreign = any(map(self._isForeign, list(sys.modules)))

    def _isScripts(self, name: str, module: Any) -> bool:
        """
        Whether a module is neither the interpreter's nor the standard library's.
        """
        return name not in _BEFORE and not self._library.has(module)

    def _isForeign(self, name: str) -> bool:
        """
        Whether a module is in C and not the standard library's, or is C{ctypes}, which
        can call what is none.  It may have something to do at the end that only the
        interpreter can start.
        """
        if name == "_ctypes":
            return True
        module = sys.modules.get(name)
        path = getattr(module, "__file__", None)
        isC = isinstance(path, str) and path.endswith(".so")
        return isC and not self._library.has(module)

    def _added(self) -> Iterator[str]:
        """
        The names of the modules that the script has imported.
        """
        modules: Any = sys.modules
        for name in reversed(modules if _VERSION >= (3, 8) else list(modules)):
            if self._known.get(name) == id(modules.get(name)):
                return
            yield name

    def end(self, status: int, interrupted: bool) -> None:
        """
        End the process.
        """
        added = list(self._added())
        if not interrupted and (self._foreign or any(map(self._isForeign, added))):
            gc.unfreeze()
            if status:
                sys.exit(status)
            return
        threading: Any = sys.modules.get("threading")
        if threading is not None:
            try:
                threading._shutdown()
            except BaseException as why:
                unraisable(why, threading, "on threading shutdown")
        exits: Any = sys.modules.get("atexit")
        if exits is not None:
            quietly(exits, "_run_exitfuncs")
        if not flushStandard():
            status = 120
        torn = [name for name in added if self._isScripts(name, sys.modules.get(name))]
        tearDown([*torn, *reversed(self._torn), "__main__"])
        for stream in (sys.stdout, sys.stderr):
            quietly(stream, "flush")
        if interrupted:
            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
            posix.kill(posix.getpid(), _signal.SIGINT)
        posix._exit(status & 0xFF)


def flushStandard() -> bool:
    """
    Flush standard output and error.

    @return: whether that could be done.
    """
    good = True
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None)):
        if stream is None or isClosed(stream):
            continue
        try:
            stream.flush()
        except BaseException as why:
            good = False
            if stream is not getattr(sys, "stderr", None):
                unraisable(why, stream, "on flushing sys.stdout")
    return good


def isClosed(stream: Any) -> bool:
    """
    Whether a stream is closed; not if nobody knows.
    """
    try:
        return bool(stream.closed)
    except BaseException:
        return False


def unraisable(why: BaseException, thing: Any, when: str) -> None:
    """
    Say what went wrong where nobody can catch it: from 3.13 on, when it did.
    """
    trace = why.__traceback__
    why.__traceback__ = trace = None if trace is None else trace.tb_next
    hook: Any = getattr(sys, "unraisablehook", None)
    try:
        if hook is not None and hook is not getattr(sys, "__unraisablehook__", None):
            told = type(sys)("unraisable")
            told.__dict__.update(exc_type=type(why), exc_value=why, exc_traceback=trace)
            told.__dict__.update(err_msg=None, object=thing)
            hook(told)
        else:
            about = when if _VERSION >= (3, 13) else f"in: {thing!r}"
            end = ":" if _VERSION >= (3, 13) else ""
            sys.stderr.write(f"Exception ignored {about}{end}\n")
            sys.__excepthook__(type(why), why, trace)
    except BaseException:
        pass  # The daemon cannot be told.


#: What the interpreter takes from C{sys} before it takes itself to pieces.
_DELETED = (
    *("path", "argv", "ps1", "ps2", "last_exc", "last_type", "last_value"),
    *("last_traceback", "path_hooks", "path_importer_cache", "meta_path"),
    "__interactivehook__",
)


def tearDown(names: list[str]) -> None:
    """
    Have everything destroyed that the script has made, in the order of the
    interpreter: what only its modules refer to, then what is in cycles, then what is
    in modules that are still referred to.  The standard library stays.

    @param names: the modules to take to pieces, the last of them first.
    """
    gc.collect()
    for name in _DELETED:
        if hasattr(sys, name):
            setattr(sys, name, None)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    left = []
    for name in reversed(names):
        module: Any = sys.modules.pop(name, None)
        try:
            left.append(_weakref.ref(module))
        except TypeError:
            pass  # Not a module.
        del module
    # Nothing new can be imported any more.  Without this one no source is shown in
    # tracebacks; to take out the others would copy all memory that they are in.
    modules: Any = sys.modules
    modules["io"] = None
    gc.collect()
    alive = False
    for reference in left:
        module = reference()
        if module is not None:
            alive = True
            clear(vars(module))
        del module
    if alive:
        gc.collect()
    for thing in gc.get_objects():
        if isinstance(thing, (_io.TextIOWrapper, _io.BufferedWriter)):
            quietly(thing, "flush")


def clear(names: dict[str, Any]) -> None:
    """
    Take everything out of a module, those names first that begin with an underscore.
    """
    for first in (True, False):
        for name in list(names):
            own = name[:1] == "_" and name[1:2] != "_"
            if own is first and name != "__builtins__":
                names[name] = None
