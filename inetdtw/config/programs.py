# -*- test-case-name: inetdtw.config.test.test_programs -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The program that an entry names: who runs it, what it takes on, and with what."""

from __future__ import annotations

import os
from collections.abc import Iterator

from inetdtw.config import valuetypes
from inetdtw.config.entry import KEYS
from inetdtw.config.python import Unfit, interpretedBy
from inetdtw.config.resolution import Resolution, orElse
from inetdtw.model.errors import ConfWarning
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import EnvironmentSpec, Program, Service, WarmSpec
from inetdtw.system import executable, lookups
from inetdtw.system.lookups import Account
from inetdtw.text import absolute, native

#: The keys that are resource limits, and their names in C{resource}.
LIMITS = {
    key: f"RLIMIT_{key[7:].upper().replace('FILES', 'NOFILE')}"
    for key in KEYS
    if key.startswith("rlimit_")
}


class ProgramResolver:
    """How the program of an entry is executed."""

    def __init__(self, question: Resolution) -> None:
        self._entry = question.entry
        self._settings = question.settings
        self._ask = question.ask
        self._error = question.error

    def account(self) -> Account:
        """Who the program runs as."""
        entry = self._entry
        if entry.exec is None:
            return Account()
        if entry.user is None:
            raise self._error("user", "must be given; - is whoever runs the daemon")
        groups = ("yes",) if entry.groups is None else entry.groups
        return lookups.account(entry.user, entry.group, self._ask, groups)

    def context(self, found: Account) -> ProcessContext:
        """What a process takes on before it becomes the program."""
        entry = self._entry
        context = ProcessContext(
            found.credentials,
            0o022 if entry.umask is None else entry.umask,
            self._directory(found),
            orElse(entry.nice, 0),
            entry.chroot,
            tuple(self._limits()),
        )
        if not context.isDefault and self.launch() == "direct":
            reason = "direct goes with no nice, chroot or rlimit_...; forkserver does"
            raise self._error("launch", reason)
        self._permitted(context)
        return context

    def launch(self) -> str:
        """How programs are started."""
        return self._entry.launch or self._settings.launch

    def _directory(self, found: Account) -> str:
        """The working directory."""
        directory = self._entry.directory
        if directory != "~":
            return directory or "/"
        if found.login is not None:
            return found.login.home
        return self._ask.environ.get("HOME", "/")

    def _limits(self) -> Iterator[tuple[str, int, int]]:
        """The resource limits."""
        for key, name in LIMITS.items():
            given: tuple[int, int] | None = getattr(self._entry, key)
            if given is not None:
                yield name, *given

    def _permitted(self, context: ProcessContext) -> None:
        """@raise ConfError: for what only root can do, if the daemon is not root's."""
        if context.chroot is not None and not os.path.isdir(native(context.chroot)):
            raise self._error("chroot", f"'{context.chroot}' is not a folder")
        if self._ask.uid == 0:
            return
        if context.chroot is not None:
            raise self._error("chroot", "only root can do that")
        if context.nice < 0:
            raise self._error("nice", "only root can raise a priority")
        for name, _, hard in context.limits:
            most = self._ask.hardLimit(name)
            if most != valuetypes.UNLIMITED and not 0 <= hard <= most:
                key = next(key for key in LIMITS if LIMITS[key] == name)
                raise self._error(key, f"only root can go above {most}")

    def program(self) -> Program | None:
        """
        What to execute, if it is not an internal service.

        A path that is not absolute begins in the folder of the file that names it.
        """
        entry = self._entry
        if entry.exec is None:
            return None
        name = entry.exec
        if "/" not in name:
            path = self._ask.environ.get("PATH", os.defpath)
            return Program(name, tuple(path.split(os.pathsep)), self._argv(name))
        try:
            folder = os.path.dirname(absolute(entry.location.file))
        except FileNotFoundError as why:
            if not os.path.isabs(name):
                raise self._error("exec", str(why.strerror)) from None
            folder = "/"
        path = os.path.normpath(os.path.join(folder, name))
        return Program(path, (), self._argv(name))

    def _argv(self, name: str) -> tuple[str, ...]:
        """The arguments, beginning with the program's own name."""
        argv = self._entry.args or (os.path.basename(name),)
        if any("\0" in argument for argument in (name, *argv)):
            raise self._error("args", "cannot hold a NUL character")
        return argv

    def warm(self, service: Service) -> WarmSpec | None:
        """How to keep an interpreter for the program, if one is wanted and can be kept."""
        entry = self._entry
        wanted = self._settings.warm if entry.warm is None else entry.warm
        if entry.preload and not wanted:
            raise self._error("preload", "goes with warm = yes only")
        if not wanted:
            return None
        try:
            if service.program is None:
                raise Unfit("is for programs only, not for what is internal")
            context = service.context
            preload = ",".join(entry.preload or ())
            return interpretedBy(
                service.program, context.chroot, preload, context.credentials
            )
        except Unfit as why:
            if entry.warm:
                raise self._error("warm", str(why)) from None
            return None

    def missing(self, service: Service) -> Iterator[ConfWarning]:
        """A warning, if there is no program now."""
        if service.program is None:
            return
        try:
            context = service.context
            executable.findExecutable(
                service.program, context.credentials, context.chroot
            )
        except executable.ExecutableNotFound as why:
            yield ConfWarning(self._entry.where("exec"), "exec", f"{why} (yet)")

    def variables(self) -> EnvironmentSpec:
        """What the line says of the environment."""
        pairs = [each.partition("=") for each in self._entry.env or ()]
        added = tuple((name, value) for name, _, value in pairs)
        return EnvironmentSpec(added, self._entry.passenv)
