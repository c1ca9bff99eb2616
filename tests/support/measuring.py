# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A plugin of coverage.py: what is measured in daemons, fork servers and warm processes.

The tests run under C{python -m coverage run}.  It is handed on to the daemons that they
start, but not to other programs, and not by the daemons: what a service runs is to find
what it would find without it.  Fork servers and warm processes import nothing, fork,
become others and are killed: L{tests.support.tracing} does its work there.  What that
has noted becomes data of coverage.py with C{coverage combine}.
"""

from __future__ import annotations

import opcode
import os
import sys
from collections import defaultdict
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

from coverage import Coverage, CoverageData, CoveragePlugin

from tests.support import MEASURING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

#: The variables by which coverage.py is started with a process.
_STARTED_BY = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")

_PACKAGE = "inetdtw"
#: The module that starts fork servers, with the C{BOOT} that it has imported.
_WARM_PROCESSES = f"{_PACKAGE}.helpers.warm"
_FORK_SERVERS = f"{_PACKAGE}.launch.forkserver.launcher"

#: What runs tests: C{-m twisted.trial}, the command, and a worker of C{trial -j}.
_RUNNERS = frozenset(("twisted.trial", "trial", "workertrial.py"))

_TRACING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tracing.py")

#: What the program of a process begins with that is to note which lines it runs.
_BEGIN = """\
import sys
if sys.version_info[:2] == {version}:
    traced = {{'__name__': 'tracing'}}
    exec(compile({tracing!r}, 'tracing', 'exec'), traced)
    traced['trace']({files!r}, {notes!r}, {resume})
    del traced
"""


def _begin(files: dict[str, str], notes: str) -> str:
    """
    Return the beginning of a program that notes the lines that it runs.

    @param files: those that matter, by the file names of their code.
    """
    # As a text, since the process may have another root directory.
    with open(_TRACING, encoding="utf-8") as file:
        tracing = file.read()
    return _BEGIN.format(
        version=tuple(sys.version_info[:2]),
        tracing=tracing,
        files=files,
        notes=notes,
        resume=opcode.opmap.get("RESUME", -1),
    )


class _Measured(SourceFileLoader):
    """Import a module, and change what it starts."""

    notes = ""

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if self.name == _WARM_PROCESSES:
            self._ofWarmProcesses(module)
        else:
            self._ofForkServers(module)

    def _ofWarmProcesses(self, module: Any) -> None:
        """Make warm processes start with the measurement."""
        module.BOOT = _begin({_PACKAGE: module.__file__}, self.notes) + module.BOOT

    def _ofForkServers(self, module: Any) -> None:
        """Make fork servers start with the measurement."""
        directory = os.path.abspath(f"{module.__file__}/../../../helpers")
        paths = [os.path.join(directory, name) for name in os.listdir(directory)]
        files = {path: path for path in paths if path.endswith(".py")}
        module.BOOT = _begin(files, self.notes) + module.BOOT


class _Finder:
    """Find the modules that start something that is to be measured."""

    def __init__(self, notes: str) -> None:
        self._notes = notes

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: object = None
    ) -> ModuleSpec | None:
        if name not in (_WARM_PROCESSES, _FORK_SERVERS):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.origin is not None:
            spec.loader = _Measured(name, spec.origin)
            spec.loader.notes = self._notes
        return spec


class Measuring(CoveragePlugin):
    """Sees the configuration before anything is measured."""

    def configure(self, config: Any) -> None:
        """Do in a process what is its part."""
        data = os.path.abspath(config.get_option("run:data_file"))
        notes = os.path.join(os.path.dirname(data), "notes")
        if _RUNNERS.intersection(map(os.path.basename, _words())):
            with open(notes, "a", encoding="utf-8"):
                pass  # Every user may append to it.
            os.chmod(notes, 0o666)
            os.environ[MEASURING] = getattr(config, "config", config).serialize()
            if any(word.startswith(("-j", "--jobs")) for word in _words()):
                # Its workers are what runs the tests.
                config.set_option("run:patch", ["subprocess"])
            else:
                _handNothingOn(config)
        elif _STARTED_BY[0] in os.environ:
            _handNothingOn(config)
            sys.meta_path.insert(0, _Finder(notes))
            _saveBeforeSignal()
        elif "combine" in _words() and os.path.exists(notes):
            _convert(notes, data)


def _handNothingOn(config: Any) -> None:
    """Do not measure a process only because this one has started it."""
    for name in _STARTED_BY:
        os.environ.pop(name, None)
    config.set_option("run:patch", [])


def _words() -> list[str]:
    """Return the command line of this process, even before C{sys.argv} exists."""
    return getattr(sys, "orig_argv", None) or getattr(sys, "argv", [])


def _saveBeforeSignal() -> None:
    """
    Save what was measured when this process kills itself.

    C{twistd} ends with the signal that stopped it.
    """
    kill = os.kill

    def saveAndKill(pid: int, number: int) -> None:
        measured = Coverage.current()
        if pid == os.getpid() and measured is not None:
            measured.save()
        kill(pid, number)

    os.kill = saveAndKill


def _convert(notes: str, data: str) -> None:
    """Make what was noted data of coverage.py."""
    arcs: dict[str, set[tuple[int, int]]] = defaultdict(set)
    with open(notes, encoding="utf-8") as lines:
        for line in lines:
            file, before, following = line.split("\t")
            arc = int(before), int(following)
            if file.endswith("helpers/warm/__init__.py"):
                file, arc = _inPart(file, arc)
            arcs[file].add(arc)
    converted = CoverageData(data, suffix="notes")
    converted.add_arcs(arcs)
    converted.write()
    os.unlink(notes)


def _inPart(file: str, arc: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Return the file, and the lines there, of two lines of a warm process."""
    from inetdtw.helpers.warm import PARTS, textOf

    offset = 0
    for part in PARTS:
        length = textOf(part).count(b"\n")
        if abs(arc[0]) <= offset + length:
            break
        offset += length
    directory = os.path.dirname(os.path.dirname(file))
    path = os.path.join(directory, part.replace(".", "/") + ".py")
    before, following = (each - offset if each > 0 else each + offset for each in arc)
    return path, (before, following)


def coverage_init(registry: Any, options: object) -> None:
    """Register the plugin."""
    registry.add_configurer(Measuring())
