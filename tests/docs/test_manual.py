# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Man pages, C{--help}, exit statuses and completions match the command."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import inetdtw
from inetdtw import __version__
from inetdtw.cli.main import InetdOptions
from inetdtw.cli.operate import COMMANDS
from inetdtw.cli.usage import optionsOf
from inetdtw.config.keys import KEYS
from tests.support import checkout, interpreters
from tests.support.daemon import Daemon, environment, freePort
from tests.support.serving import ServingTestCase, inetd, run
from tests.support.typed import Typed

_SHARE = os.path.join(checkout.path(), "share")
_BASH = os.path.join(_SHARE, "bash-completion", "completions", "inetd")
_FISH = os.path.join(_SHARE, "fish", "vendor_completions.d", "inetd.fish")

#: The description of a key in the source of inetd.conf(5).
_KEY = re.compile(
    r"""
    ^\.\. \ confval:: \ (\w+) \n\n
    (?: \ \ \ [^|\n] .* \n )+ \n
    \ \ \ \| \ Type: .+ \n
    \ \ \ \| \ Default: .+ \n (?: \ \ \ \ \ .+ \n )*
    \ \ \ \| \ Example: \ ``(\w+) \ = \ (.*)``$
    """,
    re.MULTILINE | re.VERBOSE,
)


def _read(*names: str) -> str:
    """Return the contents of a shipped file."""
    with open(os.path.join(_SHARE, *names), encoding="utf-8") as file:
        return file.read()


def _plain(roff: str) -> str:
    """Return the text of a man page, without fonts and line ends."""
    text = re.sub(r"\\f[BIRP]", "", roff).replace(r"\-", "-").replace(r"\(aq", "'")
    text = re.sub(
        r"^\.B ", "", text.replace(r"\&", "").replace(r"\%", ""), flags=re.MULTILINE
    )
    text = re.sub(r"^\..*$", "", text, flags=re.MULTILINE)
    return " ".join(text.replace(r"\(dq", '"').replace(r"\e", "\\").split())


class ManPageTests(SynchronousTestCase):
    """The man pages that are shipped."""

    def test_options(self) -> None:
        """inetd(8) has every option, its argument and what it does, and no other."""
        roff = _read("man", "man8", "inetd.8")
        text = _plain(roff)
        options = optionsOf(InetdOptions())
        self.assertGreater(len(options), 20)
        known = {name for option in options for name in option.names}
        for option in options:
            names = [f"{name} {option.argument}".rstrip() for name in option.names]
            self.assertIn(f"{', '.join(names)} {option.about}", text)
        named = set(
            re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text.split("SEE ALSO")[0])
        )
        for command in COMMANDS.values():
            known |= {name for each in optionsOf(command()) for name in each.names}
        others = {"-m", "--unix-socket", "-d"}  # of python and curl
        self.assertEqual(named - known - others, set())

    def test_commands(self) -> None:
        """inetd(8) has every command, and every option of each, before the signals."""
        roff = _read("man", "man8", "inetd.8")
        commands = _plain(roff.partition(".SH COMMANDS")[2].partition(".SH SIGNALS")[0])
        for name, command in COMMANDS.items():
            self.assertRegex(commands, rf"\b{name}\b")
            for option in optionsOf(command()):
                letters = "".join(rf" \(-{letter}\)" for letter in option.letters)
                self.assertRegex(commands, rf"--{option.name}{letters}(?![\w-])")

    def test_keys(self) -> None:
        """inetd.conf(5) has the type, default and a valid example of every key."""
        text = _plain(_read("man", "man5", "inetd.conf.5"))
        page = os.path.join(checkout.path(), "docs", "man", "inetd.conf.5.rst")
        with open(page, encoding="utf-8") as file:
            found = _KEY.findall(file.read())
        self.assertEqual([name for name, *_ in found], list(KEYS))
        for name, key, example in found:
            self.assertEqual(key, name)
            KEYS[name].read(tuple(example.replace('"', "").split()))
            self.assertIn(f"Example: {name} = {example}", text)

    def test_noVersion(self) -> None:
        """The man pages do not change with the version."""
        for section, name in (("8", "inetd"), ("5", "inetd.conf")):
            text = _read("man", f"man{section}", f"{name}.{section}")
            self.assertNotIn(__version__, text)
            self.assertIn(
                f'.TH "{name.upper()}" "{section}" "inetdtw" "" "inetdtw"', text
            )

    def test_formatted(self) -> None:
        """man(1) shows them, and complains of nothing."""
        for section, name in (("8", "inetd"), ("5", "inetd.conf")):
            path = os.path.join(_SHARE, "man", f"man{section}", f"{name}.{section}")
            env = environment(MANWIDTH="80", LC_ALL="C.UTF-8")
            done = run(["man", "--warnings", "-l", path], env)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("SEE ALSO", done.stdout)

    if shutil.which("man") is None:
        test_formatted.skip = "man is not installed"  # type: ignore[attr-defined]


class ReferenceTests(SynchronousTestCase):
    """The API pages, and what the guide says about them."""

    def test_public(self) -> None:
        """C{inetdtw.__all__} is what pydoctor shows as public, and the guide has it."""
        with open(os.path.join(checkout.path(), "pyproject.toml")) as file:
            public = re.findall(r'"PUBLIC:inetdtw\.(\w+)"', file.read())
        self.assertEqual(public, inetdtw.__all__)
        page = os.path.join(checkout.path(), "docs", "guide", "composing.rst")
        with open(page, encoding="utf-8") as file:
            section = file.read().partition("What is public")[2]
        for name in inetdtw.__all__:
            self.assertIn(f"``{name}``", section)


class CompletionTests(SynchronousTestCase):
    """Completions of shells."""

    def generator(self) -> Any:
        """Return the script that makes the files."""
        path = os.path.join(checkout.path(), "docs", "completions.py")
        spec = importlib.util.spec_from_file_location("completions", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self.patch(sys, "path", list(sys.path))
        spec.loader.exec_module(module)
        return module

    def test_made(self) -> None:
        """The files are what is made of the options."""
        texts = self.generator().texts()
        self.assertEqual(len(texts), 3)
        for name, text in texts.items():
            self.assertEqual(_read(name), text, "run docs/completions.py")

    def complete(self, *words: str) -> set[str]:
        """Return what bash offers for the last of some words."""
        script = (
            'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _inetd; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = run(["/bin/bash", "--norc", "-c", script, "bash", _BASH, *words])
        self.assertEqual(done.returncode, 0, done.stderr)
        return set(done.stdout.split())

    def test_bash(self) -> None:
        """Bash offers all options, and the values of those with few values."""
        long = {
            option.name for option in optionsOf(InetdOptions()) if len(option.name) > 1
        }
        self.assertEqual(self.complete("inetd", "--"), {f"--{name}" for name in long})
        self.assertIn("-q", self.complete("inetd", "-"))
        self.assertEqual(self.complete("inetd", "--la"), {"--launch"})
        self.assertEqual(
            self.complete("inetd", "-f", "--launch", ""), {"forkserver", "direct"}
        )
        self.assertEqual(self.complete("inetd", "--launch", "=", "d"), {"direct"})
        self.assertEqual(self.complete("inetd", "--conf", "inet"), set())

    def test_commands(self) -> None:
        """Bash and fish offer the commands first, and then their options."""
        self.assertEqual(self.complete("inetd", "re"), {"reload", "resume"})
        offered = self.complete("inetd", "status", "--")
        self.assertEqual(
            offered,
            {
                *("--control", "--help", "--interval", "--json", "--names", "--quiet"),
                *("--version", "--watch"),
            },
        )
        with open(_FISH, encoding="utf-8") as file:
            text = file.read()
        self.assertIn(f"-n __fish_use_subcommand -a '{' '.join(COMMANDS)}'\n", text)
        self.assertIn("-n '__fish_seen_subcommand_from drain' -s w -l wait ", text)

    def test_typed(self) -> None:
        """In a terminal, Tab completes an option, its value, and the name of a file."""
        with Typed(["/bin/bash", "--norc", "-i"]) as typed:
            typed.write(f"PS1='ready '; source {_BASH}; cd {checkout.path()}/etc\n")
            typed.waitFor("ready ")
            typed.write("inetd --lau\td\tinet\t")
            typed.waitFor("inetd --launch direct inetd.conf ")

    def test_fish(self) -> None:
        """Fish offers every long option."""
        with open(_FISH, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for option in optionsOf(InetdOptions()):
            if len(option.name) > 1:
                letters = "".join(f"-s {letter} " for letter in option.letters)
                head = f"complete -c inetd {letters}-l {option.name} "
                (line,) = [line for line in lines if line.startswith(head)]
                self.assertEqual(
                    " -x " in line or " -r " in line, bool(option.argument)
                )

    def test_zsh(self) -> None:
        """zsh, which asks C{twistd}, offers every option of C{twistd inetd}."""
        code = (
            "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run"
        )
        argv = [interpreters.python(), "-c", f"{code}; run()"]
        done = run([*argv, "inetd", "", "--_shell-completion", "zsh:3"])
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("backlog", "launch", "log-level", "max-child-per-ip"):
            self.assertIn(f"--{name}=[", done.stdout)
        self.assertIn("(forkserver direct)", done.stdout)


class HelpTests(ServingTestCase):
    """C{--help}, and how the command ends."""

    def test_help(self) -> None:
        """C{--help} has every option, in groups, within 80 columns, and ends with 0."""
        done = run(inetd("--help"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertLess(max(map(len, lines)), 80)
        for option in optionsOf(InetdOptions()):
            if len(option.name) > 1:
                self.assertIn(f"--{option.name}", done.stdout)
        titles = [line for line in lines if line.endswith(":") and line[0] != " "]
        self.assertGreater(len(titles), 3)

    def test_exits(self) -> None:
        """The exit status is 0, 1 or 2 as inetd(8) has it."""
        port = freePort()
        good = self.write("good.conf", f"{port} stream tcp nowait - /bin/cat cat\n")
        bad = self.write("bad.conf", f"{port} steam tcp nowait - /bin/cat cat\n")
        strange = self.write("strange.conf", f"{port} stream tcp nowait - /no/such\n")
        for status, arguments in (
            (0, ("--version",)),
            (0, ("--check", good)),
            (0, ("--check", strange)),
            (0, ("--explain", f"{port}/tcp", good)),
            (1, ("--check", bad)),
            (1, ("--check", self.path("missing.conf"))),
            (1, ("--explain", "other", good)),
            (1, ("-f", "-e", bad)),
            (1, ("-f", "-e", self.path("missing.conf"))),
            (1, ("-f", "-p", self.path("missing/pid"), good)),
            (2, ("--nosuch",)),
            (2, ("-q", "many", good)),
            (2, ("-f", "-e", "--metrics", "9100", good)),
            (2, ("--control", self.path("control"), "staus")),
            (2, ("-e", good)),
        ):
            done = run(inetd(*arguments))
            self.assertEqual(done.returncode, status, (arguments, done.stderr))
            self.assertNotIn("Traceback", done.stderr + done.stdout)
        self.assertIn("inetd(8)", run(inetd("--help")).stdout)

    def test_runs(self) -> None:
        """The exit status is 1 when a daemon with the same pid file runs."""
        port = freePort()
        conf = self.write("inetd.conf", f"{port} stream tcp nowait - /bin/cat cat\n")
        argv = inetd("-f", "-e", "-p", self.path("pid"), conf)
        with Daemon(argv, ports=[port]):
            done = run(argv)
        self.assertEqual(done.returncode, 1)
