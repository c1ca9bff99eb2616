# -*- test-case-name: inetdtw.helpers.warm.test.test_coldstart -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The cold start of a program: the file to execute, and its directory."""

from __future__ import annotations

import posix
import sys

from inetdtw.helpers.warm.files import (
    DIRECTORY,
    Snapshot,
    WatchedFile,
    absolute,
    identity,
    isExecutable,
    stamp,
)
from inetdtw.helpers.warm.process import SignalState


class WorkingDirectory:
    """
    The working directory; its path can lead to another one later.

    @ivar path: its path.
    """

    def __init__(self, path: str) -> None:
        """
        Change to the directory, unless it is the current one.

        @param path: its path; empty if that is not known.
        @raise OSError: if the user may not enter it.
        """
        self.path = path
        self._identity = identity(path)
        if self._identity is None:
            self.path = absolute("")
        elif self._identity != identity("."):
            posix.chdir(path)

    def same(self) -> bool:
        """Return whether the path still leads to the same directory."""
        return self._identity is None or identity(self.path) == self._identity

    def isThere(self) -> bool:
        """Return whether the user may enter it, as far as that can be known."""
        return self._identity is None or isExecutable(self.path, DIRECTORY)

    def enter(self) -> None:
        """
        Change to the directory that the path leads to now.

        @raise OSError: if it is missing, or the user may not enter it.
        """
        if self.path:
            posix.chdir(self.path)


class SearchedProgram:
    """
    A program that is searched for in several paths, as by execvp(3).

    @ivar single: whether there is only one path.
    """

    def __init__(self, paths: list[bytes]) -> None:
        """@param paths: the paths to search, in order."""
        self._paths = paths
        self.single = len(paths) == 1
        self._first = self._find()

    def _find(self) -> bytes | None:
        return next(filter(isExecutable, self._paths), None)

    def same(self) -> bool:
        """Return whether the search still ends at the same path."""
        return self.single or self._find() == self._first

    def isThere(self) -> bool:
        """Return whether one of the paths can be executed."""
        return self._find() is not None

    def execute(self, argv: list[bytes], environment: dict[bytes, bytes]) -> None:
        """
        Execute the program in this process.

        @raise OSError: if no path can be executed; this is the error of the last.
        """
        for path in self._paths[:-1]:
            try:
                posix.execve(path, argv, environment)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue
        posix.execve(self._paths[-1], argv, environment)


class ColdStart:
    """The cold start of the program, as this process found it at its start."""

    def __init__(
        self, directory: WorkingDirectory, paths: list[bytes], argv: list[bytes]
    ) -> None:
        """
        Note the environment, the signals and the umask of this process.

        @param directory: where the program runs.
        @param paths: the paths to try.
        @param argv: the arguments.
        """
        self._directory = directory
        self._program = SearchedProgram(paths)
        self._argv = argv
        self._environment = dict(posix.environ)
        self._interpreter = WatchedFile(sys.executable or "")
        self._signals = SignalState()

    def same(self) -> bool:
        """Return whether no part of a cold start has changed."""
        things = (self._directory, self._program, self._interpreter)
        return all([thing.same() for thing in things])

    def watch(self, snapshot: Snapshot) -> None:
        """Note the files on which L{same} depends."""
        snapshot.add(identity, self._directory.path)
        snapshot.add(stamp, self._interpreter.path)
        # A search depends on more.
        snapshot.certain = snapshot.certain and self._program.single

    def isPossible(self) -> bool:
        """Return whether a cold start can work, as far as that can be known."""
        interpreter = self._interpreter.path
        if interpreter and not isExecutable(interpreter):
            return False
        return self._program.isThere() and self._directory.isThere()

    def execute(self, added: dict[bytes, bytes]) -> None:
        """
        Execute the program in this process, or exit with 127.

        @param added: variables that are added to the environment.
        """
        self._signals.restore()
        environment = {**self._environment, **added}
        try:
            self._directory.enter()
            self._program.execute(self._argv, environment)
        except OSError:
            posix._exit(127)
