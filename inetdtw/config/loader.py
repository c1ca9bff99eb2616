# -*- test-case-name: inetdtw.config.test.test_loader -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Load configuration files, and the files they include, as one configuration."""

from __future__ import annotations

import codecs
import errno
import glob
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from inetdtw.config.conflicts import dropDuplicates, overlapping, unreachable
from inetdtw.config.diagnosis import relevant, resolveFully, summarized
from inetdtw.config.entry import Entry, EntryError
from inetdtw.config.foreign import checkFormat, onlyComments
from inetdtw.config.parser import ERRORS, Include, Statement, parse
from inetdtw.config.permissions import permissionWarnings
from inetdtw.config.resolver import At, Resolved, unknown
from inetdtw.model.errors import (
    ConfError,
    ConfWarning,
    DuplicateService,
    Finding,
    Location,
)
from inetdtw.model.service import Service, Settings
from inetdtw.system import regularfile
from inetdtw.system.lookups import Lookups
from inetdtw.text import fromBytes, native, textOf

#: The maximum size of a file, in bytes.
LARGEST = 10 << 20
#: The maximum number of files, with included ones, and depth of inclusion.
FILES, DEPTH = 10000, 32
#: The maximum number of sockets; further services are errors.
SOCKETS = 100000
#: The maximum number of NUL characters in a text, if it is short.
_NULS = 100
#: The maximum number of warnings; further ones are dropped.
WARNINGS = 1000


@dataclass
class _Findings:
    """The configuration while it is loaded."""

    resolved: list[Resolved] = field(default_factory=list)
    problems: list[ConfError] = field(default_factory=list)
    warnings: list[ConfWarning] = field(default_factory=list)
    wrong: list[EntryError] = field(default_factory=list)
    sockets: int = 0

    def reject(self, problem: ConfError) -> None:
        """Add the errors of a statement."""
        self.problems += problem.problems
        if isinstance(problem, EntryError):
            self.wrong.append(problem)
            self.warnings += problem.warnings

    def add(self, resolved: Resolved) -> None:
        """Add the services of an entry."""
        self.resolved.append(resolved)
        self.warnings += resolved.warnings
        self.sockets += len(resolved.services)

    def names(self) -> tuple[str, ...]:
        """Return the host names that services listen at."""
        found = (name for each in self.resolved for name in each.names())
        return tuple(dict.fromkeys(found))

    def result(self, at: At = unknown) -> Configuration:
        """
        Return the configuration so far.

        @param at: rebudget the addresses of host names.
        """
        services: list[Service] = []
        warnings: list[ConfWarning] = []
        for each in dropDuplicates(
            on for one in self.resolved for on in one.withAddresses(at)
        ):
            if isinstance(each, ConfWarning):
                warnings.append(each)
            else:
                services.append(each)
        warnings = [*relevant(self._unknown(), services, self.wrong), *warnings]
        warnings += overlapping(services)
        warnings += unreachable(services)
        names = self.names()
        return Configuration(
            tuple(services),
            tuple(self.problems),
            tuple(warnings[:WARNINGS]),
            names,
            self if names else None,
        )

    def _unknown(self) -> list[ConfWarning]:
        """Return the warnings that no error has at the same place."""
        places = {each.location for each in self.problems}
        return [each for each in self.warnings if each.location not in places]


@dataclass(frozen=True)
class Configuration:
    """
    The services of configuration files.

    @ivar services: those that can be served.
    @ivar problems: the errors; their statements are ignored.
    @ivar warnings: the warnings.
    @ivar names: the host names that services listen at.
    """

    services: tuple[Service, ...] = ()
    problems: tuple[ConfError, ...] = ()
    warnings: tuple[ConfWarning, ...] = ()
    names: tuple[str, ...] = ()
    _findings: _Findings | None = field(default=None, repr=False, compare=False)

    @property
    def messages(self) -> list[ConfError]:
        """The errors, with one in place of all that have the same cause."""
        return summarized(self.problems)

    @property
    def leftOut(self) -> tuple[Finding, ...]:
        """The errors, and the services whose socket another one has."""
        twice = (each for each in self.warnings if isinstance(each, DuplicateService))
        return (*self.problems, *twice)

    def withAddresses(self, at: At) -> Configuration:
        """
        Return the same configuration, with host names resolved.

        @param at: returns the addresses of a name, as
            L{HostNames.at<inetdtw.system.hostnames.HostNames.at>} does.
        """
        return self if self._findings is None else self._findings.result(at)


def fromStatements(
    written: Iterable[Statement], settings: Settings, ask: Lookups
) -> Configuration:
    """Return the configuration of statements."""
    found = _Findings()
    for statement in written:
        try:
            if isinstance(statement, (Entry, EntryError)):
                found.add(resolveFully(statement, settings, ask))
                if found.sockets > SOCKETS:
                    reason = f"too many sockets: at most {SOCKETS} are supported"
                    raise ConfError(statement.location, "service", reason)
            elif isinstance(statement, ConfError):
                raise statement
            elif isinstance(statement, ConfWarning):
                found.warnings.append(statement)
        except Exception as why:
            problem = why if isinstance(why, ConfError) else _internal(statement, why)
            found.reject(problem)
            if found.sockets > SOCKETS:
                break
            if len(found.problems) > ERRORS:
                reason = f"more than {ERRORS} errors: the rest is ignored"
                last = ConfError(problem.location, "file", reason)
                found.problems[ERRORS:] = [last]
                break
    return found.result()


def _internal(statement: Statement, why: Exception) -> ConfError:
    """Return the error for a bug, or for a value that a system call rejects."""
    location = (
        statement.location
        if isinstance(statement, Entry)
        else Location("inetd.conf", 1)
    )
    return ConfError(
        location, "service", f"internal error: {type(why).__name__}: {why}"
    )


def load(paths: Iterable[str], settings: Settings, ask: Lookups) -> Configuration:
    """
    Load configuration files, and the files in directories of such files.

    @return: the configuration; a file that cannot be read is among its C{problems}.
    """
    return fromStatements(statements(paths), settings, ask)


def nothingToServe(paths: Sequence[str]) -> ConfError:
    """Return the error that files have no service."""
    comments = [_onlyComments(path) for path in paths]
    why = "no service is configured"
    if comments and all(comments):
        count = sum(comments)
        lines = (
            f"all {count} lines are comments"
            if count > 1
            else "its only line is a comment"
        )
        why = f"{lines}; remove the '#' in front of a service"
    return errorOf(paths, f"nothing to serve: {why}")


def _onlyComments(path: str) -> int:
    """Return the number of lines of a file, or 0 if not all are comments."""
    try:
        return onlyComments(read(path))
    except OSError:
        return 0


def errorOf(paths: Sequence[str], reason: str) -> ConfError:
    """Return an error of all files together."""
    return ConfError(Location(paths[0] if paths else "inetd.conf", 1), "file", reason)


def statements(paths: Iterable[str]) -> Iterator[Statement]:
    """Yield the statements of files, and of the files in directories of such files."""
    budget = iter(range(FILES))
    return (each for path in paths for each in _statements(path, budget))


def _statements(path: str, budget: Iterator[int]) -> Iterator[Statement]:
    """
    Yield the statements of a file, or of the files in a directory.

    @param budget: has an item for each file that may still be read.
    """
    if not os.path.isdir(native(path)):
        yield from _file(path, Location(path, 1), (), (), budget)
        return
    try:
        names = sorted(map(textOf, os.listdir(native(path))))
    except OSError as why:
        reason = f"'{path}' cannot be read: {why.strerror}"
        yield ConfError(Location(path, 1), "file", reason)
        return
    for name in names:
        if "." not in name.strip(".") or name.endswith(".conf"):
            inner = os.path.join(path, name)
            if not name.startswith(".") and not name.endswith("~"):
                yield from _file(inner, Location(inner, 1), (), (), budget)


def _file(
    path: str,
    asked: Location,
    bind: tuple[str, ...],
    above: tuple[str, ...],
    budget: Iterator[int],
) -> Iterator[Statement]:
    """
    Yield the statements of a file, and of the files it includes.

    @param asked: where the file is included.
    @param above: the real paths of the files that include it.
    """
    real = _real(path)
    if real in above:
        yield ConfError(asked, ".include", f"'{path}' includes itself")
        return
    if len(above) > DEPTH:
        yield ConfError(
            asked, ".include", f"too deep: at most {DEPTH} levels are supported"
        )
        return
    if next(budget, None) is None:
        yield ConfError(
            asked, ".include", f"too many files: at most {FILES} are supported"
        )
        return
    try:
        text = _textOf(path, asked, ".include" if above else "file")
    except ConfError as problem:
        yield problem
        return
    yield from permissionWarnings(path)
    for statement in parse(text, path, bind):
        if isinstance(statement, Include):
            yield from _included(statement, path, (*above, real), budget)
        else:
            yield statement


def _real(path: str) -> str:
    """Return the path of a file without symbolic links."""
    try:
        return os.path.realpath(native(path))
    except FileNotFoundError:
        # The working directory was removed.
        return path


def _textOf(path: str, asked: Location, field: str) -> str:
    """
    Return the text of a file.

    @raise ConfError: if it cannot be read, or has another format.
    """
    try:
        text = read(path)
    except OSError as why:
        raise ConfError(asked, field, _unreadable(path, why)) from None
    checkFormat(text, path)
    return text


def _unreadable(path: str, why: OSError) -> str:
    if isinstance(why, regularfile.NotPlain):
        return f"'{path}' {why.strerror}"
    return f"'{path}' cannot be read: {why.strerror}"


def _included(
    include: Include, path: str, above: tuple[str, ...], budget: Iterator[int]
) -> Iterator[Statement]:
    """Yield the statements of the files that match a pattern."""
    location = include.pattern.location
    try:
        found = _matching(os.path.dirname(path), include.pattern.text)
    except OSError as why:
        reason = f"'{why.filename}' cannot be read: {why.strerror}"
        yield ConfError(location, ".include", reason)
        return
    for each in found:
        yield from _file(each, location, include.bind, above, budget)


def _matching(directory: str, pattern: str) -> list[str]:
    """
    Return the files that match a pattern, relative to a directory.

    @raise OSError: if the directory of the matches cannot be read.
    """
    if not glob.has_magic(pattern):
        return [os.path.join(directory, pattern)]
    parts = takewhile(lambda part: not glob.has_magic(part), pattern.split("/"))
    # glob finds nothing in a directory that cannot be read; this must be an error.
    os.listdir(native(os.path.join(directory, "/".join([*parts, ""])) or "."))
    found = glob.glob(native(os.path.join(glob.escape(directory), pattern)))
    return sorted(map(textOf, found))


def read(path: str) -> str:
    """
    Return the text of a file, decoded as UTF-8 with surrogate escapes.

    @raise OSError: if it cannot be read, is too large, or is not a regular file, which
        might have no end.
    """
    try:
        data = regularfile.read(path, LARGEST + 1)
    except regularfile.NotPlain:
        if not _isNull(path):
            raise
        data = b""
    if len(data) > LARGEST:
        raise OSError(0, f"larger than {LARGEST >> 20} MB")
    nuls = data.count(0)
    if nuls > _NULS and nuls > len(data) // 16:
        # UTF-16, or a program: one error is better than one for each line.
        reason = f"has {nuls} NUL characters: it must be text in UTF-8"
        raise regularfile.NotPlain(errno.EINVAL, reason)
    # A byte order mark is not part of the text.
    return fromBytes(data[3:] if data.startswith(codecs.BOM_UTF8) else data)


def _isNull(path: str) -> bool:
    """Tell whether a path leads to null(4), which is read as an empty file."""
    about, null = os.stat(native(path)), os.stat(os.devnull)
    return stat.S_ISCHR(about.st_mode) and about.st_rdev == null.st_rdev
