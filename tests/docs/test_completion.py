# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The completions of services' names, in each shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import checkout
from tests.support.daemon import DEADLINE, environment
from tests.support.serving import ServingTestCase
from tests.support.typed import Typed

_SHARE = os.path.join(checkout.path(), "share")
_BASH = os.path.join(_SHARE, "bash-completion", "completions", "inetd")
_FISH = os.path.join(_SHARE, "fish", "vendor_completions.d", "inetd.fish")
_ZSH = os.path.join(_SHARE, "zsh", "site-functions")
NAMES = (
    *("127.0.0.1:21/tcp", "127.0.0.1:22/tcp", "[::1]:21/tcp"),
    *("my service/tcp", "echo/udp"),
)
#: A command that has these names, and prints the arguments of others.
COMMAND = """\
#!/bin/sh
[ "$1 $2" = "status --names" ] || {{ printf '<%s>' "$@"; echo; exit; }}
echo "$@" >> {asked}
echo noise >&2
printf '%s\\n' {names}
"""


class CompletionTestCase(ServingTestCase):
    """A test with a command that has names."""

    def setUp(self) -> None:
        """Write the command, and start in an empty directory."""
        super().setUp()
        self.asked = self.path("asked")
        names = " ".join(f"'{name}'" for name in NAMES)
        text = COMMAND.format(asked=self.asked, names=names)
        os.mkdir(self.path("bin"))
        self.command = self.write("bin/inetd", text)
        os.chmod(self.command, 0o755)
        os.mkdir(self.path("empty"))
        os.mkdir(self.path("home"))
        self.variables = {
            "PATH": f"{self.path('bin')}:{os.environ['PATH']}",
            "HOME": self.path("home"),
            "XDG_CONFIG_HOME": self.path("home"),
            "XDG_DATA_HOME": self.path("home"),
        }

    @contextmanager
    def shell(self, *argv: str, setup: str) -> Iterator[Typed]:
        """Run an interactive shell, which has read the completions."""
        with Typed(list(argv), **self.variables) as typed:
            typed.write(f"cd {self.path('empty')}; {setup}; echo re''ady\n")
            typed.waitFor("ready")
            yield typed

    def typed(self, typed: Typed, keys: str, arguments: str) -> None:
        """Type something, and assert which arguments the command gets."""
        typed.write(f"{keys}\n")
        typed.waitFor(arguments)


class BashTests(CompletionTestCase):
    """Tests for bash."""

    def offered(self, line: str, *words: str) -> list[str]:
        """Return what is offered for the last of some words."""
        script = (
            'source "$1"; COMP_LINE=$2; shift 2; COMP_POINT=${#COMP_LINE}; '
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _inetd; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        argv = ["/bin/bash", "--norc", "-c", script, "bash", _BASH, line]
        done = subprocess.run(
            [*argv, "inetd", *words],
            env=environment(None, **self.variables),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def test_names(self) -> None:
        """Names are quoted; what a colon ends is not repeated."""
        every = [
            *("127.0.0.1:21/tcp", "127.0.0.1:22/tcp", r"\[::1\]:21/tcp"),
            *(r"my\ service/tcp", "echo/udp"),
        ]
        for command in ("status", "clients", "pause", "resume"):
            self.assertEqual(self.offered(f"inetd {command} ", command, ""), every)
        for line, words, expected in (
            (
                "pause 127.0.0.1:2",
                ("pause", "127.0.0.1", ":", "2"),
                ["21/tcp", "22/tcp"],
            ),
            ("pause [", ("pause", "["), [r"\[::1\]:21/tcp"]),
            (r"pause \[::1", ("pause", r"\[", "::", "1"), [r"1\]:21/tcp"]),
            (r"pause my\ s", ("pause", r"my\ s"), [r"my\ service/tcp"]),
            ("pause 'my s", ("pause", "'my s"), ["my service/tcp"]),
            ("--explain=e", ("--explain", "=", "e"), ["echo/udp"]),
            ("--explain e", ("--explain", "e"), ["echo/udp"]),
        ):
            self.assertEqual(self.offered(f"inetd {line}", *words), expected, line)

    def test_control(self) -> None:
        """The daemon with the control socket of the command line is asked."""
        for line in ("pause --control /x y", "pause --control=/x y"):
            self.offered(f"inetd {line}", *line.replace("=", " = ").split())
        with open(self.asked) as file:
            self.assertEqual(file.read(), "status --names --control /x\n" * 2)

    def test_typed(self) -> None:
        """In a terminal, the command gets the name as it is."""
        setup = f"PS1='$ '; source {_BASH}"
        with self.shell("/bin/bash", "--norc", "-i", setup=setup) as bash:
            for keys, name in (
                ("inetd pause 127.0.0.1:21\t", "127.0.0.1:21/tcp"),
                ("inetd pause [\t", "[::1]:21/tcp"),
                ("inetd pause my\t", "my service/tcp"),
            ):
                self.typed(bash, keys, f"<pause><{name}>")


class ZshTests(CompletionTestCase):
    """Tests for zsh."""

    if shutil.which("zsh") is None:
        skip = "zsh is not installed"

    def test_typed(self) -> None:
        """In a terminal, the command gets the name as it is."""
        setup = (
            f"PS1='$ '; fpath=({_ZSH} $fpath); autoload -U compinit; "
            "compinit -u -D; unsetopt beep"
        )
        with self.shell("zsh", "-f", "-i", setup=setup) as zsh:
            for keys, arguments in (
                ("inetd pause 127.0.0.1:21\t", "<pause><127.0.0.1:21/tcp>"),
                ("inetd pause \\[\t", "<pause><[::1]:21/tcp>"),
                ("inetd pause my\t", "<pause><my service/tcp>"),
                ("inetd --explain e\t", "<--explain><echo/udp>"),
                ("inetd --lau\tdir\t", "<--launch=direct>"),
                ("inetd dra\t", "<drain>"),
                ("inetd status --control /x e\t", "<status><--control></x><echo/udp>"),
            ):
                self.typed(zsh, keys, arguments)
        with open(self.asked) as file:
            self.assertIn("status --names --control /x\n", file.read())


class FishTests(CompletionTestCase):
    """Tests for fish."""

    if shutil.which("fish") is None:
        skip = "fish is not installed"

    def offered(self, line: str) -> list[str]:
        """Return what is offered for the last word of a line."""
        script = f"cd {self.path('empty')}; source {_FISH}; complete -C $argv[1]"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script, f"{self.command} {line}"],
            env=environment(None, **self.variables),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [each.partition("\t")[0] for each in done.stdout.splitlines()]

    def test_names(self) -> None:
        """Names are offered, which fish quotes, and no files."""
        for command in ("status", "clients", "pause", "resume"):
            self.assertEqual(set(self.offered(f"{command} ")), set(NAMES))
        self.assertEqual(self.offered("pause --control /x my"), ["my service/tcp"])
        self.assertEqual(self.offered("--explain e"), ["echo/udp"])
        with open(self.asked) as file:
            self.assertIn("status --names --control /x\n", file.read())

    def test_quiet(self) -> None:
        """Without a daemon nothing is offered or printed."""
        self.write("bin/inetd", "#!/bin/sh\necho failed >&2; exit 2\n")
        os.chmod(self.command, 0o755)
        self.assertEqual(self.offered("pause "), [])
