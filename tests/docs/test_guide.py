# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The commands of the guide's pages work, and print what the pages show.

C{docs/README.rst} describes how a page is written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from tests.support import checkout, guide, users
from tests.support.daemon import environment, freePort
from tests.support.guide import Block, Page
from tests.support.serving import ServingTestCase, inetd, run
from tests.support.terminal import Terminal, isStaying, matches
from tests.support.users import ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCS = os.path.join(checkout.path(), "docs")

#: What a test cannot have, by the tools that talk to it; and the files of each.
_TOOLS = {
    "systemd": {
        "systemctl",
        "journalctl",
        "systemd-analyze",
    },
    "openrc": {"rc-service", "rc-update"},
    "runit": {"sv", "ln"},
    "s6": {"s6-svc", "s6-rc", "s6-rc-compile"},
    "docker": {"docker"},
    "podman": {"podman"},
    "kubernetes": {"kubectl"},
    "launchd": {"launchctl"},
    "terminal": {"inetd"},
    "packages": {"pip", "apt-get", "python3"},
}
#: The most blocks of a page that may not be run, unless it is about such tools.
_FEW = 2
_ABOUT_TOOLS = ("supervision.rst",)
#: What a page is skipped without.
_WANTED = ("curl", "systemd-socket-activate")
#: The pages without commands.
_WITHOUT = ("conformance.rst", "faults.rst")


def _commands(block: Block) -> Iterator[tuple[str, str]]:
    """Return the commands of a block, and the output of each."""
    command, shown = "", ""
    for line in block.text.splitlines():
        if line.startswith("> "):
            command += "\n" + line[2:]
        elif line.startswith("$ ") or line == "^C":
            if command:
                yield command, shown
            command, shown = _bare(line), ""
        else:
            shown += line + "\n"
    if command:
        yield command, shown


def _bare(line: str) -> str:
    """Return a command without its prompt."""
    return line[2:] if line.startswith("$ ") else line


def _pages() -> dict[str, str]:
    """Return the paths of the first page and of the guide's, by their names."""
    directory = os.path.join(_DOCS, "guide")
    names = sorted(name for name in os.listdir(directory) if name.endswith(".rst"))
    found = {name[:-4]: os.path.join(directory, name) for name in names}
    return {"index": os.path.join(_DOCS, "index.rst"), **found}


class PageTests(ServingTestCase):
    """Run each page from its top to its end, with a test of its name."""

    def perform(self, name: str) -> None:
        """Do what a page shows."""
        page = guide.read(_pages()[name])
        if "as-root" in page.marks and not users.ROOT:
            self.skipTest(users.NOT_ROOT)
        for tool in filter(page.hasCommand, _WANTED):
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")
        user = None if "as-root" in page.marks else ordinaryUser()
        if user is not None:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        self.typed = "".join(
            block.text for block in page.blocks if block.language == "console"
        )
        self.again: list[str] = []
        self.terminal = Terminal(page, self.directory, user)
        self.terminal.start()
        try:
            for block in page.blocks:
                self.do(block)
        finally:
            self.terminal.stop()

    def do(self, block: Block) -> None:
        """Do what a block shows."""
        if "not-run" in block.marks:
            return
        if block.name:
            self.terminal.write(block.name, block.text)
        if block.language == "inetd":
            if not block.name or f"--check {block.name}\n" not in self.typed:
                self.check(block)
        elif block.language == "console":
            self.converse(block)
            repeated = _commands(block) if "eventually" in block.marks else ()
            self.again = [command for command, _ in repeated]
        elif block.language == "text":
            for line in filter(str.strip, block.text.splitlines()):
                self.terminal.waitForLog(line, self.again)

    def check(self, block: Block) -> None:
        """Check that C{--check} prints what the page shows for a configuration."""
        name = block.name or ".checked.conf"
        self.terminal.write(name, block.text)
        status, output = self.terminal.run(f"inetd --check {name}")
        self.assertEqual(
            status, 1 if "wrong" in block.marks else 0, f"{block.place}:\n{output}"
        )

    def converse(self, block: Block) -> None:
        """Run commands, and compare what they print."""
        commands = list(_commands(block))
        for number, (command, shown) in enumerate(commands, 1):
            fails = "fails" in block.marks and number == len(commands)
            if isStaying(command) and not fails:
                self.terminal.run(command)
                for line in filter(str.strip, shown.splitlines()):
                    self.terminal.waitForLog(line)
                continue
            if "eventually" in block.marks:
                status, output = self.terminal.runUntil(command, shown)
            elif fails:
                status, output = self.terminal.runToItsEnd(command)
            else:
                status, output = self.terminal.run(command)
            where = f"{block.place}: {command}\nstatus {status}, printed:\n{output}"
            log = f"\nthe log:\n{self.terminal.log()}"
            self.assertEqual(status != 0, fails, where + log)
            if shown.strip():
                self.assertTrue(
                    matches(output, shown), where + f"shown:\n{shown}" + log
                )


def _netcat() -> str | None:
    """Return why no nc(1) can close its sending half, if so."""
    if shutil.which("nc") is None:
        return "nc is not installed"
    usage = subprocess.run(["nc", "-h"], capture_output=True, check=False)
    return None if b"OpenBSD" in usage.stdout + usage.stderr else "nc is not OpenBSD's"


def _addTests() -> None:
    """Give each page a test."""
    for name in _pages():

        def test(self: PageTests, name: str = name) -> None:
            self.perform(name)

        test.__doc__ = f"\n        The page C{{{name}.rst}} is true.\n        "
        test.skip = _netcat()  # type: ignore[attr-defined] # trial reads it
        setattr(PageTests, f"test_{name}", test)


_addTests()


class WholeTests(ServingTestCase):
    """Tests of all pages together."""

    def pages(self) -> list[Page]:
        """All pages."""
        return [guide.read(path) for path in _pages().values()]

    def test_notRun(self) -> None:
        """A block that is not run needs a tool that no test has; they are few."""
        for page in self.pages():
            found = [block for block in page.blocks if "not-run" in block.marks]
            for block in found:
                self.assertIn(block.marks["not-run"], _TOOLS, block.place)
                tools = _TOOLS[block.marks["not-run"]]
                if block.language == "console":
                    for command, _ in _commands(block):
                        self.assertIn(os.path.basename(command.split()[0]), tools)
                else:
                    self.assertIn(block.language, ("ini", "yaml", "docker", "sh"))
            if not page.path.endswith(_ABOUT_TOOLS):
                self.assertLessEqual(len(found), _FEW, page.path)

    def test_files(self) -> None:
        """Every file of a page has a name, and is used by another block."""
        for page in self.pages():
            for block in page.blocks:
                if block.language in ("console", "text", "inetd") and not block.name:
                    continue
                if "not-run" in block.marks:
                    continue
                self.assertTrue(block.name, f"{block.place}: no caption")
                others = [each.text for each in page.blocks if each is not block]
                bare = re.sub(r"\.c$", "", block.name)
                parts = (bare, os.path.dirname(bare) or bare, os.path.basename(bare))
                used = any(part in text for part in parts for text in others)
                self.assertTrue(used, f"{block.place}: {block.name} is not used")

    def test_everyPage(self) -> None:
        """Every page has something to do, and something that is seen."""
        for page in self.pages():
            exempt = os.path.basename(page.path) in _WITHOUT
            self.assertTrue(page.blocks or exempt, f"{page.path} has no block")


class WatchedTests(SynchronousTestCase):
    """The session of C{inetd status --watch}, which is of a daemon under load."""

    def parts(self, screen: str) -> list[str]:
        """
        Return the parts of a screen, with all numbers replaced.

        These are its first line, the titles, the name, address and state of each
        service, and the reasons.
        """
        head, _, titles, *lines = screen.strip().splitlines()
        kept = [
            head.partition(" up ")[0] + head.partition(";")[2],
            titles,
            *(re.sub(r" +\d+/[-\d].*", "", row) for row in lines),
        ]
        return [re.sub(r"\d+", "0", " ".join(line.split())) for line in kept]

    def test_session(self) -> None:
        """The recorded session is what its script shows."""
        page = guide.read(_pages()["operating"])
        (shown,) = (each.text for each in page.blocks if "not-run" in each.marks)
        command, _, screen = shown.partition("\n")
        self.assertEqual(command, "$ inetd status --watch")
        script = os.path.join(_DOCS, "watching.py")
        ports = [str(freePort()) for _ in range(5)]
        done = subprocess.run(
            [sys.executable, script, "1", *ports],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,  # It waits for a minute until it has all to show.
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.parts(done.stdout), self.parts(screen), done.stdout)


class ManualTests(ServingTestCase):
    """The configurations of the man pages."""

    def test_examples(self) -> None:
        """C{--check} finds nothing wrong with them."""
        directory = os.path.join(_DOCS, "man")
        found = 0
        for name in sorted(os.listdir(directory)):
            for block in guide.read(os.path.join(directory, name), whole=False).blocks:
                if block.language == "inetd":
                    found += 1
                    path = self.write("checked.conf", block.text)
                    done = run(inetd("--check", path))
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreater(found, 3)
