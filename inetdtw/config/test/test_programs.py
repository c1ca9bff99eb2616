# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.programs}."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from dataclasses import replace
from unittest import SkipTest

from inetdtw.config import valuetypes
from inetdtw.config.keys import KEYS
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.model.service import Program
from inetdtw.system.lookups import Lookups
from inetdtw.test.configcase import ALPINE, ROOT, SH, ResolveCase, resolved, serviceOf
from inetdtw.test.fakelookups import lookups


class ProgramTests(ResolveCase):
    """Tests for programs and their accounts."""

    def programOf(self, text: str, ask: Lookups = ROOT) -> Program:
        """Return the program of an entry."""
        program = serviceOf(text, ask).program
        assert program is not None
        return program

    def test_firstArgument(self) -> None:
        """Without arguments argv[0] is the last component of exec (item 8)."""
        rest = "7 stream tcp nowait -"
        for path in ("/bin/sh", "../sh", "sh"):
            self.assertEqual(self.programOf(f"{rest} {path}").argv, ("sh",))
        program = self.programOf("7 on protocol=tcp,wait=no,user=-,exec=/bin/sh,args=;")
        self.assertEqual(program.argv, ("sh",))

    def test_manyArguments(self) -> None:
        """Any number of arguments is passed on (item 12)."""
        line = f"7 stream tcp nowait - /bin/sh {' '.join('a' * 25)}"
        self.assertEqual(self.programOf(line).argv, ("a",) * 25)

    def test_path(self) -> None:
        """A name is searched for in the daemon's PATH."""
        line = "7 stream tcp nowait - python3 python3 lower.py"
        program = self.programOf(line)
        self.assertEqual(program.name, "python3")
        self.assertEqual(program.directories, ("/usr/bin", "/bin"))
        self.assertEqual(program.argv, ("python3", "lower.py"))
        program = self.programOf(line, lookups(environ={}))
        self.assertEqual(program.directories, tuple(os.defpath.split(":")))

    def test_relative(self) -> None:
        """A relative path starts in the directory of its file."""
        for path, wanted in (
            ("./a", "/etc/inetd/a"),
            ("../a", "/etc/a"),
            ("b/a", "/etc/inetd/b/a"),
            ("/a", "/a"),
        ):
            text = f"7 stream tcp nowait - {path}"
            (service,) = resolved(text, file="/etc/inetd/x.conf").services
            assert service.program is not None
            self.assertEqual(service.program.name, wanted)
            self.assertEqual(service.program.directories, ())

    def test_relativeFile(self) -> None:
        """In a relative file, a relative path starts in the working directory."""
        (service,) = resolved("7 stream tcp nowait - ./a", file="etc/x").services
        assert service.program is not None
        self.assertEqual(service.program.name, os.path.join(os.getcwd(), "etc", "a"))

    def test_nul(self) -> None:
        """An argument with a NUL character is an error."""
        text = r"7 on protocol=tcp, wait=no, user=-, exec=/bin/sh, args=sh 'a\x00';"
        self.assertProblem(text, 56, "args", "must not have a NUL character in it")

    def test_missing(self) -> None:
        """A program that cannot be executed draws a warning (item 46)."""
        for path, ask in (("/no/such", ROOT), ("/etc", ROOT), ("nosuch", ALPINE)):
            found = resolved(f"7 stream tcp nowait - {path}", ask)
            self.assertEqual(len(found.services), 1)
            (warning,) = found.warnings
            self.assertEqual((warning.location.column, warning.field), (23, "exec"))
            self.assertIn(f"'{path}'", warning.reason)

    def test_there(self) -> None:
        """A program that can be executed draws no warning."""
        self.assertEqual(resolved(f"7 stream tcp nowait {SH}").warnings, ())

    def test_user(self) -> None:
        """The account has the user, its group and supplementary groups (item 41)."""
        service = serviceOf("7 stream tcp nowait alpine:daemon /bin/sh")
        self.assertEqual(service.context.credentials, Credentials(1000, 1, (1, 8, 100)))
        service = serviceOf("7 stream tcp nowait root:daemon /bin/sh")
        self.assertEqual(service.context.credentials, Credentials(0, 1, (1,)))
        self.assertIsNone(service.login)

    def test_groups(self) -> None:
        """Supplementary groups may be chosen."""
        text = "7 on protocol=tcp,wait=no,user=alpine,exec=/bin/sh,groups={};"
        credentials = serviceOf(text.format("no")).context.credentials
        self.assertEqual(credentials, Credentials(1000, 1000, (1000,)))
        self.assertProblem(text.format("crew"), 59, "groups", "unknown group 'crew'")

    def test_unknownUser(self) -> None:
        """An unknown user or group is an error at its location (item 18)."""
        rest = "7 stream tcp nowait"
        ignored = "service ignored"
        for ask in (ROOT, ALPINE):
            self.assertProblem(f"{rest} carl /bin/sh", 21, "user", ignored, ask)
        self.assertProblem(f"{rest} beth:crew /bin/sh", 26, "group", ignored)
        self.assertProblem(f"{rest} beth.crew /bin/sh", 21, "group", ignored)

    def test_otherUser(self) -> None:
        """Only root can run a program as another user."""
        rest = "7 stream tcp nowait"
        for user in ("alpine", "-"):
            service = serviceOf(f"{rest} {user} /bin/sh", ALPINE)
            self.assertEqual((service.login, service.context), (None, ProcessContext()))
        line = f"{rest} beth /bin/sh"
        self.assertProblem(line, 21, "user", "only root can run a service as", ALPINE)


class ContextTests(ResolveCase):
    """Tests for process contexts."""

    START = "7 on protocol=tcp,wait=no,user=alpine,exec=/bin/sh,"

    def contextOf(self, keys: str, ask: Lookups = ROOT) -> ProcessContext:
        """Return the context of a service with these keys."""
        return serviceOf(f"{self.START}{keys};", ask).context

    def assertRefuses(self, keys: str, reason: str, ask: Lookups) -> None:
        """Assert that the value of the first key is an error."""
        key = keys.partition("=")[0]
        column = len(self.START) + len(key) + 2
        self.assertProblem(f"{self.START}{keys};", column, key, reason, ask)

    def test_defaults(self) -> None:
        """The defaults are umask 022 and the directory /."""
        context = self.contextOf("")
        self.assertEqual(
            context, ProcessContext(context.credentials, 0o022, "/", 0, None, ())
        )

    def test_given(self) -> None:
        """Each key sets its attribute of the context."""
        context = self.contextOf(
            "umask=077, directory=/tmp, nice=-5, chroot=/, rlimit_files=64:128, "
            "rlimit_cpu=unlimited"
        )
        self.assertEqual(
            replace(context, credentials=None),
            ProcessContext(
                *(None, 0o077, "/tmp", -5, "/"),
                (
                    ("RLIMIT_CPU", valuetypes.UNLIMITED, valuetypes.UNLIMITED),
                    ("RLIMIT_NOFILE", 64, 128),
                ),
            ),
        )

    def test_limits(self) -> None:
        """Every limit is one of setrlimit(2)."""
        for key in KEYS:
            if key.startswith("rlimit_"):
                ((name, soft, hard),) = self.contextOf(f"{key}=7:8").limits
                self.assertEqual((soft, hard), (7, 8))
                if sys.platform == "linux":
                    self.assertTrue(hasattr(resource, name), name)

    def test_home(self) -> None:
        """A tilde is the home of the service's user, or else of the daemon's user."""
        self.assertEqual(self.contextOf("directory=~").directory, "/home/alpine")
        ask = lookups(1000, 1000, {"HOME": "/h", "PATH": "/bin"})
        self.assertEqual(self.contextOf("directory=~", ask).directory, "/h")
        self.assertEqual(self.contextOf("directory=~", ALPINE).directory, "/")

    def test_direct(self) -> None:
        """A direct launch with nice, chroot or limits is an error."""
        text = f"{self.START}launch=direct,{{}};"
        for keys in ("nice=1", "chroot=/", "rlimit_cpu=1"):
            column = len(self.START) + 8
            reason = "use launch = forkserver"
            self.assertProblem(text.format(keys), column, "launch", reason)
        self.assertEqual(serviceOf(text.format("umask=077")).launch, "direct")

    def test_onlyRoot(self) -> None:
        """A key that needs root is an error for an ordinary user."""
        self.assertRefuses("nice=-1", "only root can lower the nice value", ALPINE)
        self.assertRefuses(
            "chroot=/", "only root can change the root directory", ALPINE
        )
        self.assertEqual(self.contextOf("nice=1", ALPINE).nice, 1)

    def test_hardLimits(self) -> None:
        """An ordinary user cannot raise hard limits."""
        limit = "rlimit_files=1:1024"
        self.assertEqual(len(self.contextOf(limit, ALPINE).limits), 1)
        self.assertEqual(len(self.contextOf("rlimit_core=0", ALPINE).limits), 1)
        for bad in ("1:1025", "1:unlimited"):
            reason = "only root can raise the hard limit, 1024"
            self.assertRefuses(f"rlimit_files={bad}", reason, ALPINE)
            self.assertEqual(len(self.contextOf(f"rlimit_files={bad}").limits), 1)
        free = lookups(1000, 1000, hardLimit=valuetypes.UNLIMITED)
        self.assertEqual(len(self.contextOf("rlimit_cpu=unlimited", free).limits), 1)

    def test_chroot(self) -> None:
        """The root directory must be a directory."""
        self.assertRefuses("chroot=/no/such", "'/no/such' is not a directory", ROOT)

    def test_missingInChroot(self) -> None:
        """A program that is not in the new root draws a warning with that root."""
        if os.getuid():
            raise SkipTest("only root can change the root directory")
        jail = os.path.abspath(self.mktemp())
        os.mkdir(jail)
        text = f"{self.START}chroot={jail};"
        (warning,) = resolved(text).warnings
        self.assertEqual((warning.field, warning.location.column), ("exec", 44))
        reason = f"'/bin/sh' in the root '{jail}': No such file or directory (yet)"
        self.assertEqual(warning.reason, reason)
        os.mkdir(f"{jail}/bin", 0o755)
        shutil.copy("/bin/sh", f"{jail}/bin/sh")
        self.assertEqual(resolved(text).warnings, ())
