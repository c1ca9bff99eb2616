# -*- test-case-name: inetdtw.config.test.test_loader -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Configuration files: their texts, the files they include, and what all of them say
together.
"""

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
from inetdtw.config.entry import Entry
from inetdtw.config.parser import MISTAKES, Include, Statement, parse
from inetdtw.config.resolver import At, Resolved, resolve, unknown
from inetdtw.model.errors import ConfError, ConfWarning, Location
from inetdtw.model.service import Service, Settings
from inetdtw.system import regularfile
from inetdtw.system.lookups import Lookups
from inetdtw.text import fromBytes, native, textOf

#: The most bytes of a file.
LARGEST = 10 << 20
#: The most files, those that are included among them, and how deep these may go.
FILES, DEPTH = 10000, 32
#: The most sockets; further services are not served.
SOCKETS = 100000
#: The most NUL characters of a text, unless they are few among many others.
_NULS = 100
#: The most warnings that are kept.
WARNINGS = 1000


@dataclass
class _Findings:
    """A configuration that is being put together."""

    resolved: list[Resolved] = field(default_factory=list)
    problems: list[ConfError] = field(default_factory=list)
    warnings: list[ConfWarning] = field(default_factory=list)
    sockets: int = 0

    def add(self, resolved: Resolved) -> None:
        """Take what an entry comes to."""
        self.resolved.append(resolved)
        self.warnings += resolved.warnings
        self.sockets += len(resolved.services)

    def names(self) -> tuple[str, ...]:
        """The host names."""
        found = (name for each in self.resolved for name in each.names())
        return tuple(dict.fromkeys(found))

    def result(self, at: At = unknown) -> Configuration:
        """
        All that was found.

        @param at: gives the addresses of host names.
        """
        services: list[Service] = []
        warnings = list(self.warnings)
        for each in dropDuplicates(
            on for one in self.resolved for on in one.placed(at)
        ):
            if isinstance(each, ConfWarning):
                warnings.append(each)
            else:
                services.append(each)
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


@dataclass(frozen=True)
class Configuration:
    """
    What the configuration comes to.

    @ivar services: all that can be served.
    @ivar problems: what cannot be used.
    @ivar warnings: what is strange.
    @ivar names: the host names that services listen at.
    """

    services: tuple[Service, ...] = ()
    problems: tuple[ConfError, ...] = ()
    warnings: tuple[ConfWarning, ...] = ()
    names: tuple[str, ...] = ()
    _findings: _Findings | None = field(default=None, repr=False, compare=False)

    def placed(self, at: At) -> Configuration:
        """
        Return the same configuration, with its services at the addresses that host
        names have.

        @param at: gives these, as L{HostNames.at<inetdtw.system.hostnames.HostNames.at>} does.
        """
        return self if self._findings is None else self._findings.result(at)


def fromStatements(
    written: Iterable[Statement], settings: Settings, ask: Lookups
) -> Configuration:
    """Resolve all that was written."""
    found = _Findings()
    for statement in written:
        try:
            if isinstance(statement, ConfError):
                raise statement
            if isinstance(statement, Entry):
                found.add(resolve(statement, settings, ask))
                if found.sockets > SOCKETS:
                    reason = f"these are more than {SOCKETS} sockets"
                    raise ConfError(statement.location, "service", reason)
            elif isinstance(statement, ConfWarning):
                found.warnings.append(statement)
        except Exception as why:
            problem = why if isinstance(why, ConfError) else _internal(statement, why)
            found.problems.append(problem)
            if found.sockets > SOCKETS:
                break
            if len(found.problems) > MISTAKES:
                reason = (
                    f"there are more than {MISTAKES} mistakes; nothing else is read"
                )
                found.problems[-1] = ConfError(problem.location, "file", reason)
                break
    return found.result()


def _internal(statement: Statement, why: Exception) -> ConfError:
    """
    The problem of a statement that cannot be resolved for an error in this program,
    or a value that no system call takes.
    """
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
    Read configuration files, and all files in the folders among C{paths}.

    @return: the configuration; a file that cannot be read is a problem of it.
    """
    return fromStatements(statements(paths), settings, ask)


def nothingIn(paths: Sequence[str]) -> ConfError:
    """The mistake that files have which say of no service."""
    return mistakeOf(paths, "there is nothing to serve")


def mistakeOf(paths: Sequence[str], reason: str) -> ConfError:
    """A mistake that is that of all files together."""
    return ConfError(Location(paths[0] if paths else "inetd.conf", 1), "file", reason)


def statements(paths: Iterable[str]) -> Iterator[Statement]:
    """What configuration files, and all files in the folders among C{paths}, say."""
    turns = iter(range(FILES))
    return (each for path in paths for each in _written(path, turns))


def _written(path: str, turns: Iterator[int]) -> Iterator[Statement]:
    """
    What a file, or the files of a folder, say.

    @param turns: has a number for each file that may be read still.
    """
    if not os.path.isdir(native(path)):
        yield from _file(path, Location(path, 1), (), (), turns)
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
                yield from _file(inner, Location(inner, 1), (), (), turns)


def _file(
    path: str,
    asked: Location,
    bind: tuple[str, ...],
    above: tuple[str, ...],
    turns: Iterator[int],
) -> Iterator[Statement]:
    """
    What a file says, and the files it includes.

    @param asked: where the file is asked for.
    @param above: the real paths of the files that include it.
    """
    real = _real(path)
    if real in above:
        yield ConfError(asked, ".include", f"'{path}' includes itself")
        return
    if len(above) > DEPTH:
        yield ConfError(asked, ".include", f"goes more than {DEPTH} files deep")
        return
    if next(turns, None) is None:
        yield ConfError(asked, ".include", f"makes more than {FILES} files")
        return
    try:
        text = read(path)
    except OSError as why:
        field = ".include" if above else "file"
        yield ConfError(asked, field, _unreadable(path, why))
        return
    yield from _exposed(path)
    yield from _replaceable(path)
    for statement in parse(text, path, bind):
        if isinstance(statement, Include):
            yield from _included(statement, path, (*above, real), turns)
        else:
            yield statement


def _real(path: str) -> str:
    """Return the path of a file without links, as far as it can be known."""
    try:
        return os.path.realpath(native(path))
    except FileNotFoundError:
        # The working directory is gone: a relative path leads nowhere.
        return path


def _unreadable(path: str, why: OSError) -> str:
    """Why a file cannot be read."""
    if isinstance(why, regularfile.NotPlain):
        return f"'{path}' {why.strerror}"
    return f"'{path}' cannot be read: {why.strerror}"


def _exposed(path: str) -> Iterator[ConfWarning]:
    """
    A warning, if others than root and whoever runs the daemon can change a file: it
    is they who say what runs then.
    """
    try:
        about = os.stat(native(path))
    except OSError:
        return
    if not stat.S_ISREG(about.st_mode):
        return
    if _isShared(about):
        reason = (
            f"others than its owner may write to it: {stat.filemode(about.st_mode)}"
        )
        yield ConfWarning(Location(path, 1), "file", reason)
    if about.st_uid not in (0, os.geteuid()):
        reason = f"the user {about.st_uid} owns it, and decides what is run"
        yield ConfWarning(Location(path, 1), "file", reason)


def _replaceable(path: str) -> Iterator[ConfWarning]:
    """
    A warning, if others than root and whoever runs the daemon can put another file in
    the place of a file.
    """
    try:
        folder = os.stat(os.path.dirname(os.path.realpath(native(path))))
    except OSError:
        return
    # In one that is sticky they cannot, unless it is theirs.
    if _isShared(folder) and not folder.st_mode & stat.S_ISVTX:
        reason = f"others can replace it: its folder is {stat.filemode(folder.st_mode)}"
        yield ConfWarning(Location(path, 1), "file", reason)
    if folder.st_uid not in (0, os.geteuid()):
        reason = f"the user {folder.st_uid} owns its folder, and can replace it"
        yield ConfWarning(Location(path, 1), "file", reason)


def _isShared(about: os.stat_result) -> bool:
    """
    Whether others than its owner can write to a file or a folder.

    The group does not count where it is the owner's alone, as far as its number tells.
    """
    alone = about.st_gid in (0, about.st_uid)
    others = stat.S_IWOTH if alone else stat.S_IWOTH | stat.S_IWGRP
    return bool(about.st_mode & others)


def _included(
    include: Include, path: str, above: tuple[str, ...], turns: Iterator[int]
) -> Iterator[Statement]:
    """What the files say that a pattern finds."""
    location = include.pattern.location
    try:
        found = _matching(os.path.dirname(path), include.pattern.text)
    except OSError as why:
        reason = f"'{why.filename}' cannot be read: {why.strerror}"
        yield ConfError(location, ".include", reason)
        return
    for each in found:
        yield from _file(each, location, include.bind, above, turns)


def _matching(folder: str, pattern: str) -> list[str]:
    """
    The files that a pattern means, in a folder if it is relative.

    @raise OSError: if the folder in which it looks cannot be read.
    """
    if not glob.has_magic(pattern):
        return [os.path.join(folder, pattern)]
    parts = takewhile(lambda part: not glob.has_magic(part), pattern.split("/"))
    # Nothing is found in a folder that cannot be read; but what it has is to stay.
    os.listdir(native(os.path.join(folder, "/".join([*parts, ""])) or "."))
    found = glob.glob(native(os.path.join(glob.escape(folder), pattern)))
    return sorted(map(textOf, found))


def read(path: str) -> str:
    """
    The text of a file, in UTF-8; bytes that are not are kept as surrogates.

    @raise OSError: if it cannot be read, is too large, or is no regular file, which
        might never end.
    """
    try:
        data = regularfile.read(path, LARGEST + 1)
    except regularfile.NotPlain:
        if not _isNull(path):
            raise
        data = b""
    if len(data) > LARGEST:
        raise OSError(0, f"it has more than {LARGEST >> 20} MB")
    nuls = data.count(0)
    if nuls > _NULS and nuls > len(data) // 16:
        # It is UTF-16, or a program: one message says more than one for each line.
        reason = f"is not text in UTF-8: it has {nuls} NUL characters"
        raise regularfile.NotPlain(errno.EINVAL, reason)
    # A byte order mark is no part of the text.
    return fromBytes(data[3:] if data.startswith(codecs.BOM_UTF8) else data)


def _isNull(path: str) -> bool:
    """True if a path leads to null(4), which stands for an empty file."""
    about, null = os.stat(native(path)), os.stat(os.devnull)
    return stat.S_ISCHR(about.st_mode) and about.st_rdev == null.st_rdev
