# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw._warmhelper}: for its parts, and for the program as it runs.

What a child is like is compared with a cold start in C{tests/warm/test_fidelity.py} and
C{tests/warm/test_exit.py}, with all interpreters.
"""

from __future__ import annotations

import _imp
import errno
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from typing import Any

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from inetdtw import _warmhelper, warmtext
from inetdtw._warmhelper import (
    ACCEPT,
    ACCEPTED,
    ADDRESSED,
    CROWDED,
    DROPPED,
    ENDED,
    HEADER,
    HELLO,
    MISFIT,
    MOST,
    REPORT,
    STALE,
    STARTED,
    THREADED,
    WITHDRAW,
    WITHDRAWN,
    Command,
    Directory,
    Executable,
    Library,
    Module,
    Place,
    Preloaded,
    Script,
    Watched,
    Way,
    entries,
    isYoung,
    offers,
    stamp,
)
from inetdtw.config import python
from inetdtw.helpers.connection import connectionEnvironment, packAddress
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.warm import supervisor
from inetdtw.launch.warm.command import warmCommand
from inetdtw.model.service import Program
from inetdtw.test.fakes import PATIENCE, ServingTestCase

#: Says how often it was asked; never runs in the process that is forked.
HELLOS = "import sys\nprint('hello', *sys.argv[1:], flush=True)\nsys.stdin.read()\n"


class FolderTestCase(SynchronousTestCase):
    """
    Have a folder.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        super().setUp()
        self.folder = FilePath(os.path.realpath(self.mktemp()))
        self.folder.makedirs()

    def write(self, name: str, text: str) -> str:
        """
        Write a file long ago.
        """
        file = self.folder.preauthChild(name)
        file.setContent(text.encode())
        os.utime(file.path, (1e9, 1e9))
        return str(file.path)


class FileTests(FolderTestCase):
    """
    Tests for what is found out about files.
    """

    def test_watched(self) -> None:
        """
        That a file is another one, is there or not, or has been written to is noticed.
        """
        path = self.write("a", "1")
        watched = Watched(path)
        # What was changed just now may change again within the same tick.
        watched._young = False
        self.assertTrue(watched.same())
        for change in (
            lambda: self.write("a", "22"),
            lambda: os.replace(self.write("b", "22"), path),
            lambda: os.chmod(path, 0o600),
            lambda: os.remove(path),
            lambda: self.write("a", "1"),
        ):
            change()
            self.assertFalse(watched.same())
            watched.note()
            watched._young = False
            self.assertTrue(watched.same())

    def test_young(self) -> None:
        """
        A file that is young is taken to have changed, once.
        """
        path = self.write("a", "1")
        watched = Watched(path)
        self.assertFalse(watched.same())
        self.patch(time, "time", lambda: 1e12)
        self.assertEqual([watched.same(), watched.same()], [False, True])
        watched.note()
        self.assertTrue(watched.same())

    def test_oddPaths(self) -> None:
        """
        A path that cannot be one is no file.
        """
        for path in ("a\0b", "x" * 5000):
            self.assertIsNone(_warmhelper.stamp(path))

    def test_way(self) -> None:
        """
        The folder of a script is found behind all links, as the interpreter does.
        """
        folder = self.folder.path
        os.mkdir(f"{folder}/one")
        os.symlink("one", f"{folder}/link")
        self.write("one/script", "")
        os.symlink("../one/script", f"{folder}/one/absolute")
        os.symlink(f"{folder}/link/absolute", f"{folder}/far")
        for path in ("one/script", "link/script", "far", "one/../link/./absolute"):
            self.assertEqual(Way(f"{folder}/{path}").folder, f"{folder}/one")
        self.assertEqual(Way("/script").folder, "/")
        os.symlink("loop", f"{folder}/loop")
        self.assertTrue(Way(f"{folder}/loop").same())
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(folder)
        self.assertEqual(Way("script").folder, folder)

    def test_wayElsewhere(self) -> None:
        """
        That it leads elsewhere is noticed: a link that is another one, or is none any
        more, and another folder of the same name.
        """
        folder = self.folder.path
        for name in ("one", "two"):
            os.mkdir(f"{folder}/{name}")
            self.write(f"{name}/script", "")
        os.symlink("one", f"{folder}/link")
        os.symlink("link/script", f"{folder}/script")

        def link() -> None:
            os.symlink("two", f"{folder}/new")
            os.replace(f"{folder}/new", f"{folder}/link")

        def plain() -> None:
            os.remove(f"{folder}/link")
            os.mkdir(f"{folder}/link")
            self.write("link/script", "")

        def moved() -> None:
            os.rename(f"{folder}/link", f"{folder}/old")
            os.mkdir(f"{folder}/link")

        for change in (link, plain, moved):
            way = Way(f"{folder}/script")
            self.assertTrue(way.same())
            change()
            self.assertFalse(way.same())

    def test_executable(self) -> None:
        """
        What a cold start executes is the first of several paths where there is a file
        that can be executed.
        """
        one, two = self.folder.child("one"), self.folder.child("two")
        paths = [os.fsencode(each.path) for each in (one, two)]
        self.assertFalse(Executable(paths).isThere())
        os.chmod(self.write("two", ""), 0o644)
        self.assertFalse(Executable(paths).isThere())
        two.chmod(0o755)
        executable = Executable(paths)
        self.assertTrue(executable.isThere())
        one.makedirs()
        self.assertTrue(executable.same())
        one.remove()
        os.chmod(self.write("one", ""), 0o644)
        self.assertTrue(executable.same())
        one.chmod(0o755)
        self.assertFalse(executable.same())
        self.assertTrue(Executable(paths[1:]).same())
        two.remove()
        self.assertFalse(Executable(paths[1:]).isThere())

    def test_directory(self) -> None:
        """
        There is a working directory as long as it can be gone to: a file is none.
        """
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        path = self.folder.child("d")
        path.makedirs()
        directory = Directory(path.path)
        self.assertTrue(directory.isThere())
        os.chdir(here)
        path.remove()
        self.assertFalse(directory.isThere())
        self.write("d", "")
        path.chmod(0o755)
        self.assertFalse(directory.isThere())

    def test_library(self) -> None:
        """
        The standard library is told from all else.
        """
        import json

        import twisted

        library = Library()
        self.assertTrue(library.has(json))
        self.assertTrue(library.has(sys))
        self.assertFalse(library.has(twisted))
        own: Any = type(sys)("own")
        own.__path__ = []
        self.assertFalse(library.has(own))
        own.__file__ = 5
        self.assertFalse(library.has(own))
        folder = os.path.dirname(os.__file__)
        (archive,) = (each for each in sys.path if each.endswith(".zip"))
        for path, within in (
            (f"{folder}/", True),
            (f"{archive}/", True),
            ("/x/site-packages/", True),
            ("/x/dist-packages/y/", True),
            ("/x/", False),
        ):
            self.assertIs(library.isWithin(path), within)
        own.__file__ = "/x/site-packages/own.py"
        self.assertEqual([library.has(own), library.has(own, True)], [False, True])


class ProgramTests(FolderTestCase):
    """
    Tests for the forms of programs.
    """

    def test_imports(self) -> None:
        """
        What a script imports at its top, and nothing else of it.
        """
        text = (
            "from __future__ import annotations\nimport a, b.c\nfrom d import e, f\n"
            "from g import *\nfrom . import h\nif 1: import i\ndef j(): import k\n"
        )
        found = list(_warmhelper.importsOf(text, "x"))
        wanted = [("a", ()), ("b.c", ()), ("d", ("e", "f")), ("g", ())]
        self.assertEqual(found, wanted)

    def test_script(self) -> None:
        """
        A script is compiled once, and again when it has changed; what is wrong with it
        is its problem until it is right again.
        """
        self.patch(time, "time", lambda: 1e12)
        path = self.write("s.py", "import json\n")
        script = Script([path, "a"])
        self.assertEqual(script.argv, [path, "a"])
        self.assertEqual([script.refresh(), script.refresh()], [True, False])
        self.assertEqual((script.problem, script.imports), ("", [("json", ())]))
        for text in ("def\n", "# coding: nope\n", "\0\n", "'" * 3):
            self.write("s.py", text)
            self.assertEqual([script.refresh(), script.refresh()], [True, False])
            self.assertNotEqual(script.problem, "", text)
        os.remove(path)
        self.assertTrue(script.refresh())
        self.assertIn("FileNotFoundError", script.problem)
        self.write("s.py", "x = 1\n")
        self.assertTrue(script.refresh())
        self.assertEqual((script.problem, script.imports), ("", []))

    def test_compiled(self) -> None:
        """
        One that is compiled already is left to the interpreter.
        """
        script = Script([self.write("s.pyc", "")])
        script.refresh()
        self.assertIn("compiled already", script.problem)

    def test_warnings(self) -> None:
        """
        What the compiler has to say is kept for the clients.
        """
        text = "x = 1 is 1\n"
        # trial collects warnings in a way of its own.
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            self.patch(warnings, "showwarning", _shown)
            self.assertIn("SyntaxWarning", _warmhelper.compiled(text, "x")[1])

    def test_command(self) -> None:
        """
        Code is compiled once.
        """
        code = Command(["-c", "import json", "a"])
        self.assertEqual(code.argv, ["-c", "a"])
        self.assertEqual([code.refresh(), code.refresh()], [True, False])
        self.assertEqual((code.imports, code.folder()), ([("json", ())], ""))
        bad = Command(["-c", "def"])
        self.assertEqual([bad.refresh(), bad.refresh()], [True, False])
        self.assertIn("SyntaxError", bad.problem)

    def test_module(self) -> None:
        """
        A module is looked for by each child only, or where its imports are wanted.
        """
        module = Module(["-m", "json.tool", "a"])
        self.assertEqual(module.argv, ["-m", "a"])
        self.assertEqual([module.refresh(), module.refresh()], [True, False])
        self.assertEqual(module.imports, [])
        module.findImports()
        self.assertIn(("argparse", ()), module.imports)

    def test_wanted(self) -> None:
        """
        What is imported in advance: what is asked for, or what the script imports, or
        of that what can be shared without a difference.
        """
        self.patch(Command, "needs", ())
        code = Command(["-c", "import json, logging, mine"])
        code.refresh()
        for asked, names in {
            "": ["json"],
            "-": [],
            "auto": ["json", "logging", "mine"],
            "a,b.c": ["a", "b.c"],
        }.items():
            preloaded = Preloaded(code, asked, Library())
            self.assertEqual([name for name, _ in preloaded.wanted()], names)
        self.patch(Command, "needs", ("linecache",))
        preloaded = Preloaded(code, "a", Library())
        self.assertEqual([name for name, _ in preloaded.wanted()], ["linecache", "a"])
        preloaded = Preloaded(Module(["-m", "x"]), "a", Library())
        self.assertEqual([name for name, _ in preloaded.wanted()], ["runpy", "a"])


class PreloadedTests(FolderTestCase):
    """
    Tests for what was imported in advance, and what takes its place.
    """

    def setUp(self) -> None:
        """
        Have a script that imports a module of its own and one of the library's, all of
        them written long ago.
        """
        super().setUp()
        self.patch(_warmhelper, "_YOUNG", -1e9)
        self.patch(sys, "dont_write_bytecode", True)
        self.addCleanup(sys.modules.pop, "warmown", None)
        self.addCleanup(sys.modules.pop, "sched", None)
        sys.modules.pop("sched", None)
        self.other = self.folder.child("other")
        self.other.makedirs()
        self.write("other/warmown.py", "X = 1\n")
        self.script = self.write("s.py", "import sched, warmown\n")

    def load(self, asked: str) -> Preloaded:
        """
        Import in advance.
        """
        script = Script([self.script])
        script.refresh()
        preloaded = Preloaded(script, asked, Library())
        preloaded.path = [self.other.path, *sys.path]
        before = list(sys.path)
        preloaded.load(True)
        self.assertEqual(sys.path, before)
        return preloaded

    def test_offers(self) -> None:
        """
        A file or a folder may be a module, if its name and its suffix are right; an
        archive may have any.
        """
        suffix = _imp.extension_suffixes()[0]
        names = ("a", "a.py", "a.pyc", f"a{suffix}", "b.py", "a.txt", "a.b.py", "/1")
        found = [name for name in names if offers(name, {"a"})]
        self.assertEqual(found, ["a", "a.py", "a.pyc", f"a{suffix}", "/1"])

    def test_entries(self) -> None:
        """
        A folder has names, an archive is another one when it has changed, and what is
        not there has nothing.
        """
        self.assertEqual(entries(self.other.path), {"warmown.py"})
        self.assertEqual(entries(f"{self.folder.path}/none"), frozenset())
        before = entries(self.script)
        self.assertEqual([each[0] for each in before], ["/"])
        self.assertEqual(entries(self.script), before)
        self.write("s.py", "import sched, warmown, os\n")
        self.assertNotEqual(entries(self.script), before)

    def test_place(self) -> None:
        """
        A place has changed when what it has of some modules has, and not otherwise.
        """
        place = Place(self.other.path)
        place.mind({"warmown", "sched"})
        self.assertEqual(place.has, {"warmown.py"})
        self.write("other/else.py", "")
        self.assertEqual([place.changed(), place.changed()], [False, False])
        self.write("other/sched.py", "")
        self.assertTrue(place.changed())
        os.remove(f"{self.other.path}/sched.py")
        self.assertFalse(place.changed())

    def test_own(self) -> None:
        """
        A module of the script's own is imported from its path, which then has the
        script's folder.  When it is edited all is stale, and stays so.
        """
        preloaded = self.load("warmown")
        self.assertIn("warmown", sys.modules)
        self.assertNotIn("sched", sys.modules)
        self.assertTrue(preloaded.placed)
        self.assertEqual(preloaded.path[:2], [self.folder.path, self.other.path])
        self.assertEqual([preloaded.stale(), preloaded.stale()], [False, False])
        path = f"{self.other.path}/warmown.py"
        os.rename(path, f"{path}.old")
        self.assertTrue(preloaded.stale())
        os.rename(f"{path}.old", path)
        self.assertTrue(preloaded.stale())

    def test_before(self) -> None:
        """
        It is stale when another one comes before it.
        """
        preloaded = self.load("auto")
        self.assertIn("sched", sys.modules)
        self.write("else.py", "")
        self.assertFalse(preloaded.stale())
        self.write("warmown.py", "")
        self.assertTrue(preloaded.stale())

    def test_meanwhile(self) -> None:
        """
        It is stale from the beginning if it was written while it was imported.
        """
        self.patch(_warmhelper, "_YOUNG", 100.0)
        self.assertTrue(self.load("warmown").stale())

    def test_shared(self) -> None:
        """
        Modules of the library are shared, from nowhere else and without the script's
        folder in the path, until one of these names comes before them.
        """
        preloaded = self.load("")
        self.assertIn("sched", sys.modules)
        self.assertNotIn("warmown", sys.modules)
        self.assertFalse(preloaded.placed)
        self.assertEqual(preloaded.path[0], self.other.path)
        self.assertFalse(preloaded.stale())
        self.write("other/sched.py", "")
        self.assertTrue(preloaded.stale())

    def test_notShared(self) -> None:
        """
        Nothing is shared where one of them is there already; then nothing is stale.
        """
        self.write("other/sched.py", "")
        preloaded = self.load("")
        self.assertNotIn("sched", sys.modules)
        self.write("other/sched.pyc", "")
        self.assertFalse(preloaded.stale())

    def package(self) -> None:
        """
        Have a package with a module.
        """
        self.addCleanup(sys.modules.pop, "warmpack", None)
        self.addCleanup(sys.modules.pop, "warmpack.part", None)
        os.mkdir(f"{self.other.path}/warmpack")
        for name in ("__init__", "part", "__main__"):
            self.write(f"other/warmpack/{name}.py", "import sched\n")

    def test_package(self) -> None:
        """
        Of a package only the modules matter that were imported.
        """
        self.package()
        preloaded = self.load("warmpack.part")
        self.assertFalse(preloaded.stale())
        self.write("other/warmpack/else.py", "")
        self.assertFalse(preloaded.stale())
        os.mkdir(f"{self.other.path}/warmpack/part")
        self.assertTrue(preloaded.stale())

    def test_meanwhileShadowed(self) -> None:
        """
        It is stale if another module comes while it is being imported.
        """
        made = f"{self.folder.path}/warmown.py"
        self.write("other/warmown.py", f"open({made!r}, 'w').close()\n")
        self.assertTrue(self.load("warmown").stale())

    def test_moved(self) -> None:
        """
        It is stale if the script has another folder, unless nothing depends on that.
        """
        for asked, stale in (("warmown", True), ("", True), ("-", False)):
            sys.modules.pop("warmown", None)
            sys.modules.pop("sched", None)
            preloaded = self.load(asked)
            self.assertFalse(preloaded.stale())
            self.patch(preloaded._program, "folder", lambda: "/elsewhere")
            self.assertEqual(preloaded.stale(), stale, asked)

    def test_otherPath(self) -> None:
        """
        What a module adds to the path is looked at as well.
        """
        added = f"{self.folder.path}/added"
        os.mkdir(added)
        text = f"import sys\nsys.path.insert(0, {added!r})\n"
        self.write("other/warmown.py", text)
        preloaded = self.load("warmown")
        self.assertEqual(preloaded.path[0], added)
        self.assertFalse(preloaded.stale())
        self.write("added/warmown.py", "")
        self.assertTrue(preloaded.stale())

    def test_otherModules(self) -> None:
        """
        That the script wants other modules now is noticed.
        """
        preloaded = self.load("auto")
        self.assertFalse(preloaded.changed())
        preloaded._program.imports = [("sched", ())]
        self.assertTrue(preloaded.changed())

    def test_noFolder(self) -> None:
        """
        An interpreter that has no folder of the script in its path gets none.
        """
        script = Script([self.script])
        script.refresh()
        preloaded = Preloaded(script, "warmown", Library())
        preloaded.path = [self.other.path, *sys.path]
        preloaded.load(False)
        self.assertIn("warmown", sys.modules)
        self.assertFalse(preloaded.placed)
        self.assertEqual(preloaded.path[0], self.other.path)
        self.patch(script, "folder", lambda: "/elsewhere")
        self.assertFalse(preloaded.stale())

    def test_find(self) -> None:
        """
        What a module imports is found out where that is wanted, in the script's path;
        that it cannot be is said.
        """
        self.package()
        told: list[str] = []
        self.patch(_warmhelper, "say", told.append)
        for name, asked, found in (
            ("warmpack", "auto", True),
            ("warmpack", "runpy", False),
            ("warmnone.x", "auto", False),
        ):
            sys.modules.pop("sched", None)
            module = Module(["-m", name])
            self.patch(module, "folder", lambda: self.other.path)
            preloaded = Preloaded(module, asked, Library())
            preloaded.path = list(sys.path)
            preloaded.load(True)
            self.assertEqual("sched" in sys.modules, found, name)
        self.assertEqual(len(told), 1)
        self.assertIn("preload: ModuleNotFoundError: ", told[0])
        self.load("auto")
        self.assertEqual(len(told), 1)

    def test_fails(self) -> None:
        """
        A module that cannot be imported leaves nothing behind, and is told.
        """
        told: list[str] = []
        self.patch(_warmhelper, "say", told.append)
        self.write("other/warmown.py", "import sched\nraise ValueError('x')\n")
        self.load("warmown")
        self.assertNotIn("warmown", sys.modules)
        self.assertNotIn("sched", sys.modules)
        self.assertEqual(told, ["preload: warmown: ValueError: x"])

    def test_spoil(self) -> None:
        """
        It is stale when it is said to be.
        """
        preloaded = self.load("-")
        self.assertFalse(preloaded.stale())
        preloaded.spoil()
        self.assertTrue(preloaded.stale())


def _shown(message: Any, category: Any, *rest: Any) -> None:
    """
    Show a warning.
    """
    sys.stderr.write(f"{category.__name__}: {message}\n")


class WordTests(SynchronousTestCase):
    """
    Tests for what goes between the daemon and its process.
    """

    def test_status(self) -> None:
        """
        The exit status of SystemExit is the interpreter's.
        """
        self.patch(sys, "stderr", open(os.devnull, "w"))  # noqa: SIM115 - closed below
        self.addCleanup(sys.stderr.close)
        found = [
            _warmhelper.statusOf(SystemExit(code))
            for code in (None, 0, 3, 257, -1, True, 1 << 70, "text", (1, 2))
        ]
        self.assertEqual(found, [0, 0, 3, 1, 255, 1, 255, 1, 1])

    def test_addresses(self) -> None:
        """
        Addresses are packed and told as a fork server does.
        """
        for peer in (
            ("192.0.2.1", 4),
            ("::1", 4, 0, 0),
            ("fe80::1%lo", 4, 0, 1),
            ("::ffff:192.0.2.1", 4, 0, 0),
            "",
        ):
            packed = _warmhelper.packAddress(ADDRESSED, peer)
            self.assertEqual(packed, packAddress(ADDRESSED, peer))

    def test_connection(self) -> None:
        """
        So is what a program is told of its connection, whatever kind that is.
        """
        for family in (socket.AF_INET, socket.AF_INET6):
            with socket.create_server(("", 0), family=family) as server:
                client = socket.create_connection(server.getsockname()[:2])
                connection, peer = server.accept()
                with client, connection:
                    wanted = connectionEnvironment(connection.getsockname(), peer)
                    found = _warmhelper.ofConnection(connection.fileno(), peer)
                    self.assertTrue(connection.fileno() >= 0)
                texts = {name.decode(): text.decode() for name, text in found.items()}
                self.assertEqual(texts, wanted)
        one, two = socket.socketpair()
        with one, two:
            found = _warmhelper.ofConnection(one.fileno(), "")
            self.assertEqual(found, {b"PROTO": b"UNIX"})

    def test_pairs(self) -> None:
        """
        Variables are divided at the first equals sign.
        """
        self.assertEqual(
            _warmhelper.pairs([b"A=1=2", b"", b"B="]), {b"A": b"1=2", b"B": b""}
        )


class Running:
    """
    A warm process that runs, and the daemon's end of its socket.

    @ivar pid: its process id.
    """

    def __init__(self, argv: Sequence[str], preload: str = "", **more: object) -> None:
        """
        @param more: orders that are others than usual.
        """
        self.channel, self._theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self.channel.settimeout(PATIENCE)
        self._heard: list[tuple[int, int, int, int]] = []
        self.peers: list[bytes] = []
        self._log, log = os.pipe()
        program = Program(sys.executable, (), ("python3", *argv))
        kept = python.interpretedBy(program, None, preload)
        env = {"PATH": os.defpath, "LANG": "C.UTF-8"}
        order = LaunchRequest(sys.executable, program.argv, env, {}, (0, 0, 0))
        executable, words, orders = warmCommand(kept, order, preload)
        source = warmtext.given({**orders, **more})
        actions = [
            (os.POSIX_SPAWN_DUP2, source, 0),
            (os.POSIX_SPAWN_DUP2, self._theirs.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
        ]
        self.pid = os.posix_spawn(executable, words, env, file_actions=actions)
        for fd in (source, log):
            os.close(fd)
        self._theirs.close()

    def order(self, number: int, fd: int, extra: bytes = b"") -> None:
        """
        Order a program.
        """
        socket.send_fds(self.channel, [HEADER.pack(number, 0), extra], [fd])

    def accept(self, number: int, sock: socket.socket, most: int = 0) -> None:
        """
        Have it accept.
        """
        packet = [HEADER.pack(number, ACCEPT), MOST.pack(most)]
        socket.send_fds(self.channel, packet, [sock.fileno()])

    def hear(self) -> tuple[int, int, int, int]:
        """
        The next thing that it says: kind, number, process id, value.
        """
        while not self._heard:
            packet = self.channel.recv(1 << 16)
            if not packet:
                raise AssertionError("it has ended")
            for start in range(0, len(packet), REPORT.size):
                record = packet[start : start + REPORT.size]
                if record[0] == ADDRESSED:
                    self.peers.append(record)
                else:
                    kind, number, pid, value, _ = REPORT.unpack(record)
                    self._heard.append((kind, number, pid, value))
        return self._heard.pop(0)

    def log(self) -> str:
        """
        All that it has said until it has ended.
        """
        with open(self._log) as file:
            self._log = -1
            return file.read()

    def end(self) -> int:
        """
        Have it end.

        @return: what wait(2) says.
        """
        self.channel.close()
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return status

    def kill(self) -> None:
        """
        Leave nothing of it.
        """
        self.channel.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self._log >= 0:
            os.close(self._log)


def _fixed(orders: dict[str, Any]) -> Any:
    """
    Return what starts an interpreter with some orders.
    """
    command = warmCommand
    return lambda *given: (*command(*given)[:2], orders)


def readAll(client: socket.socket) -> bytes:
    """
    Everything until the end.
    """
    return b"".join(iter(lambda: client.recv(1000), b""))


class ServerTests(ServingTestCase):
    """
    Tests for the program.
    """

    def setUp(self) -> None:
        """
        Have a folder with a script.
        """
        super().setUp()
        self.folder = FilePath(os.path.realpath(self.mktemp()))
        self.folder.makedirs()
        self.script = self.write("script.py", HELLOS)

    def write(self, name: str, text: str) -> str:
        """
        Write a file.
        """
        file = self.folder.child(name)
        file.setContent(text.encode())
        return str(file.path)

    def isYoung(self, file: FilePath[str]) -> bool:
        """
        Whether a file was just written.
        """
        return isYoung(stamp(file.path))

    def run_(self, *argv: str, preload: str = "") -> Running:
        """
        Start a process that is ready.
        """
        # Modules that it would find young it would not trust for long.
        deadline = time.monotonic() + PATIENCE
        while preload and any(map(self.isYoung, self.folder.children())):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        running = Running(argv or (self.script, "you"), preload)
        self.addCleanup(running.kill)
        self.assertEqual(running.hear(), (HELLO, 0, running.pid, 0))
        return running

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """
        A connection.
        """
        one, two = socket.socketpair()
        one.settimeout(PATIENCE)
        return self.closing(one), self.closing(two)

    def ordered(self, running: Running, number: int = 1) -> tuple[socket.socket, int]:
        """
        Order a program.

        @return: the client, and the process id.
        """
        client, theirs = self.pair()
        running.order(number, theirs.fileno())
        theirs.close()
        kind, heard, pid, _ = running.hear()
        self.assertEqual((kind, heard), (STARTED, number))
        return client, pid

    def test_order(self) -> None:
        """
        A child says that it is there, runs the script with its client, and its end is
        told.
        """
        running = self.run_()
        client, pid = self.ordered(running)
        self.assertEqual(client.recv(100), b"hello you\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(running.hear(), (ENDED, 1, pid, 0))
        self.assertEqual(client.recv(100), b"")

    def test_variables(self) -> None:
        """
        What only one program has is in its environment and no other's.
        """
        script = self.write("s.py", "import os\nprint(os.environ.get('B'))\n")
        running = self.run_(script)
        for extra, said in ((b"B=2", b"2\n"), (b"", b"None\n")):
            client, theirs = self.pair()
            running.order(1, theirs.fileno(), extra)
            theirs.close()
            self.assertEqual(client.recv(100), said)

    def test_streams(self) -> None:
        """
        The standard streams are those for what the client is, as in a cold start.
        """
        script = self.write(
            "s.py",
            "import os, sys\n"
            "with open(sys.argv[1], 'w') as out:\n"
            "    for each in sys.stdin, sys.stdout, sys.stderr:\n"
            "        is_ = each.isatty(), each.seekable(), each.line_buffering\n"
            "        print(is_, each.encoding, each.errors, file=out)\n",
        )
        out = self.folder.child("out")
        running = self.run_(script, out.path)
        ends = os.openpty()
        _, theirs = self.pair()
        with open(script, "r+b") as file:
            fds = {
                "file": file.fileno(),
                "terminal": ends[1],
                "socket": theirs.fileno(),
            }
            for name, fd in fds.items():
                env = {"PATH": os.defpath, "LANG": "C.UTF-8"}
                command = [sys.executable, script, out.path]
                subprocess.run(
                    command, stdin=fd, stdout=fd, stderr=fd, env=env, check=True
                )
                cold = out.getContent()
                out.remove()
                running.order(1, fd)
                self.assertEqual([running.hear()[0] for _ in "12"], [STARTED, ENDED])
                self.assertEqual(out.getContent(), cold, name)
        for fd in ends:
            os.close(fd)

    def test_end(self) -> None:
        """
        It ends when the daemon does; its children go on.
        """
        running = self.run_()
        client, _ = self.ordered(running)
        self.assertEqual(running.end(), 0)
        self.assertEqual(client.recv(100), b"hello you\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(100), b"")

    def test_endWhileImporting(self) -> None:
        """
        So it does when it is still importing something that never ends.
        """
        self.write(
            "slow.py",
            "import os, select\nos.write(2, b'here\\n')\nselect.select([], [], [])\n",
        )
        running = Running([self.script], "slow")
        self.addCleanup(running.kill)
        self.assertEqual(os.read(running._log, 5), b"here\n")
        self.assertEqual(running.end(), int(signal.SIGIO))

    def test_noDaemon(self) -> None:
        """
        It does not begin when the daemon has gone already.
        """
        running = Running([self.script])
        self.addCleanup(running.kill)
        self.assertIn(running.end(), (0, int(signal.SIGIO)))

    def test_accept(self) -> None:
        """
        It accepts from a socket, tells who the client is, and stops when it is told
        to; then the socket is nobody's but the daemon's.
        """
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        running.accept(5, server)
        client = self.client(server)
        self.assertEqual(client.recv(100), b"hello you\n")
        kind, number, pid, value = running.hear()
        self.assertEqual((kind, number, value), (ACCEPTED, 5, 0))
        self.assertEqual(running.peers, [packAddress(ADDRESSED, client.getsockname())])
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(running.hear(), (ENDED, 5, pid, 0))
        self.assertEqual(client.recv(100), b"")
        running.channel.send(HEADER.pack(5, WITHDRAW))
        self.assertEqual(running.hear(), (WITHDRAWN, 5, 0, 0))
        address = server.getsockname()
        server.close()
        # A child of the last client's may have it for a moment still.
        with socket.socket() as other:
            self.assertEqual(other.connect_ex(address), errno.ECONNREFUSED)

    def test_goneBefore(self) -> None:
        """
        No program is started for a client that has gone before it was served.
        """
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        gone = self.client(server)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()
        client = self.client(server)
        running.accept(5, server)
        self.assertEqual(running.hear()[:2], (ACCEPTED, 5))
        self.assertEqual(running.peers, [packAddress(ADDRESSED, client.getsockname())])

    def test_crowded(self) -> None:
        """
        It leaves its sockets when it has as many children as it may have.
        """
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        running.accept(5, server, 1)
        client = self.client(server)
        self.assertEqual(running.hear()[:2], (ACCEPTED, 5))
        self.assertEqual(running.hear()[:2], (CROWDED, 5))
        self.assertEqual(client.recv(100), b"hello you\n")

    def test_noDescriptors(self) -> None:
        """
        It leaves its sockets when it has no descriptors left, and takes no connection
        that it cannot serve.
        """
        running = self.run_()
        server = self.closing(socket.create_server(("127.0.0.1", 0)))
        server.setblocking(False)
        running.accept(5, server)
        self.ordered(running)
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (3, 3))
        self.client(server)
        self.assertEqual(running.hear(), (DROPPED, 5, 0, errno.EMFILE))
        # The connection is there still, for whoever accepts next.
        server.settimeout(PATIENCE)
        server.accept()[0].close()

    def test_edited(self) -> None:
        """
        A new text is the next client's, and no other process is needed for it.
        """
        running = self.run_()
        self.ordered(running)
        self.write("script.py", "import sys\nprint('other')\n")
        client, pid = self.ordered(running, 2)
        self.assertEqual(client.recv(100), b"other\n")
        self.assertEqual(running.hear(), (ENDED, 2, pid, 0))

    def test_cold(self) -> None:
        """
        What cannot be compiled is executed, which is told, and so is why, once.
        """
        running = self.run_()
        self.write("script.py", "print('other'\n")
        for number in (1, 2):
            client, theirs = self.pair()
            running.order(number, theirs.fileno())
            theirs.close()
            kind, _, pid, value = running.hear()
            self.assertEqual((kind, value), (STARTED, 1))
            self.assertIn(b"SyntaxError", readAll(client))
            self.assertEqual(running.hear(), (ENDED, number, pid, 256))
        running.end()
        self.assertEqual(running.log().count("cold: SyntaxError"), 1)

    def test_stale(self) -> None:
        """
        When what it has imported is another now, it says so, and what it starts is
        cold.
        """
        module = self.write("own.py", "X = 1\n")
        os.utime(module, (1e9, 1e9))
        script = self.write("s.py", "import own\nprint(own.X)\n")
        running = self.run_(script, preload="own")
        self.write("own.py", "X = 22\n")
        client, theirs = self.pair()
        running.order(1, theirs.fileno())
        theirs.close()
        said = {running.hear()[0], running.hear()[0]}
        self.assertEqual(said, {STALE, STARTED})
        self.assertEqual(client.recv(100), b"22\n")

    def test_changedContext(self) -> None:
        """
        What a module has changed when it was imported in advance, the script finds as
        it would without; what is executed does not.
        """
        self.write(
            "changes.py",
            "import os, signal\n"
            "os.chdir('/')\n"
            "os.umask(0o77)\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
        )
        text = (
            "import os, signal, sys\n"
            "print(os.getcwd(), os.umask(0), int(signal.getsignal(15)),\n"
            "      int(signal.getsignal(signal.SIGCHLD)), 'changes' in sys.modules)\n"
        )
        mask = os.umask(0)
        os.umask(mask)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.folder.path)
        self.write("script.py", text)
        running = self.run_("script.py", preload="changes")
        client, pid = self.ordered(running)
        self.assertEqual(readAll(client), b"/ 63 1 1 True\n")
        self.assertEqual(running.hear(), (ENDED, 1, pid, 0))
        # What is executed finds the same that it would have found.
        self.write("changes.py", "")
        client, theirs = self.pair()
        running.order(2, theirs.fileno())
        theirs.close()
        said = readAll(client).decode()
        self.assertEqual(said, f"{self.folder.path} {mask} 0 0 False\n")

    def test_threads(self) -> None:
        """
        It ends when what it was to import has started a thread, and says so.
        """
        self.write(
            "thread.py",
            "import threading, time\n"
            "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n",
        )
        running = Running([self.script], "thread")
        self.addCleanup(running.kill)
        _, status = os.waitpid(running.pid, 0)
        running.pid = 0
        self.assertEqual(os.WEXITSTATUS(status), THREADED)
        self.assertIn("has started a thread", running.log())

    def refuses(self, running: Running, *words: str) -> None:
        """
        A process ends, and says why.
        """
        self.addCleanup(running.kill)
        _, status = os.waitpid(running.pid, 0)
        running.pid = 0
        self.assertEqual(os.WEXITSTATUS(status), MISFIT)
        log = running.log()
        for word in ("another version", *words):
            self.assertIn(word, log)

    def test_unknownOrders(self) -> None:
        """
        It does not begin when it is told what it does not know, or not told all.
        """
        self.refuses(Running([self.script], uid=5), "'uid' is unknown")
        orders = dict.fromkeys(_warmhelper.ORDERS)
        for name in orders:
            given = {each: None for each in orders if each != name}
            self.patch(supervisor, "warmCommand", _fixed(given))
            self.refuses(Running([self.script]), f"'{name}' is unknown")

    def test_unknownPacket(self) -> None:
        """
        It ends when it is asked for what it does not know.
        """
        running = self.run_()
        running.channel.send(HEADER.pack(1, 9))
        self.refuses(running, "no order 9")

    def test_large(self) -> None:
        """
        Arguments are as long as execve(2) takes them.
        """
        size, many = 1 << 16, 12
        script = self.write("s.py", "import sys\nprint(len(''.join(sys.argv[1:])))\n")
        running = self.run_(script, *["x" * size] * many)
        client, _ = self.ordered(running)
        self.assertEqual(client.recv(100), b"%d\n" % (size * many))

    def test_manyChildren(self) -> None:
        """
        Every child's end is told once, and none is left behind.
        """
        script = self.write("s.py", "")
        running = self.run_(script)
        begun: set[tuple[int, int]] = set()
        ended: set[tuple[int, int]] = set()
        for number in range(1, 51):
            _, theirs = self.pair()
            running.order(number, theirs.fileno())
            theirs.close()
        while len(ended) < 50:
            kind, number, pid, _ = running.hear()
            (begun if kind == STARTED else ended).add((number, pid))
        self.assertEqual(begun, ended)
        with open(f"/proc/{running.pid}/task/{running.pid}/children") as children:
            self.assertEqual(children.read(), "")

    def test_nothingOpen(self) -> None:
        """
        However many clients there were, it has no more open than before.
        """
        script = self.write("s.py", "")
        running = self.run_(script)
        folder = f"/proc/{running.pid}/fd"
        before = os.listdir(folder)
        for number in range(1, 11):
            client, _ = self.ordered(running, number)
            self.assertEqual(client.recv(100), b"")
            self.assertEqual(running.hear()[0], ENDED)
        self.assertEqual(os.listdir(folder), before)
        poll = select.poll()
        poll.register(running.channel, select.POLLIN)
        self.assertEqual(poll.poll(0), [])
