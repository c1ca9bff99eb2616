# -*- test-case-name: inetdtw.config.test.test_programs -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Resolve the program of an entry: its account, process context and environment."""

from __future__ import annotations

import os
from collections.abc import Iterator

from inetdtw.config import valuetypes
from inetdtw.config.keys import KEYS
from inetdtw.config.python import Unfit, interpretedBy
from inetdtw.config.resolution import Resolution
from inetdtw.model.errors import ConfWarning, ProgramMissing
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import EnvironmentSpec, Program, Service, WarmSpec
from inetdtw.system import executable, lookups
from inetdtw.system.lookups import Account
from inetdtw.text import absolute, native

#: The keys for resource limits, and the names of these in C{resource}.
LIMITS = {
    key: f"RLIMIT_{key[7:].upper().replace('FILES', 'NOFILE')}"
    for key in KEYS
    if key.startswith("rlimit_")
}


class ProgramResolver(Resolution):
    """The look-ups for the program of an entry."""

    def account(self) -> Account:
        """
        Return the account that the program runs as.

        @raise NotFound: if there is no such user or group.
        """
        entry = self._entry
        if entry.get("exec") is None:
            return Account()
        user: str | None = entry.get("user")
        if user is None:
            raise self._error("user", "must be given; - is the daemon's user")
        groups = entry.get("groups", ("yes",))
        return lookups.account(user, entry.get("group"), self._ask, groups)

    def context(self, account: Account) -> ProcessContext:
        """
        Return the attributes of the program's process.

        @raise ConfError: if the daemon cannot set one of them.
        """
        entry = self._entry
        context = ProcessContext(
            account.credentials,
            entry.get("umask", 0o022),
            self._directory(account),
            entry.get("nice", 0),
            entry.get("chroot"),
            tuple(self._limits()),
        )
        if not context.isDefault and self.launch() == "direct":
            reason = (
                "'direct' cannot set nice, chroot or rlimit_*; use launch = forkserver"
            )
            raise self._error("launch", reason)
        self._checkPermitted(context)
        return context

    def launch(self) -> str:
        """Return how programs are started."""
        launch: str = self._entry.get("launch", self._settings.launch)
        return launch

    def _directory(self, account: Account) -> str:
        directory: str = self._entry.get("directory", "/")
        if directory != "~":
            return directory
        if account.login is not None:
            return account.login.home
        return self._ask.environ.get("HOME", "/")

    def _limits(self) -> Iterator[tuple[str, int, int]]:
        for key, name in LIMITS.items():
            given: tuple[int, int] | None = self._entry.get(key)
            if given is not None:
                yield name, *given

    def _checkPermitted(self, context: ProcessContext) -> None:
        """@raise ConfError: for what needs root, if the daemon does not run as root."""
        if context.chroot is not None and not os.path.isdir(native(context.chroot)):
            raise self._error("chroot", f"'{context.chroot}' is not a directory")
        if self._ask.uid == 0:
            return
        if context.chroot is not None:
            raise self._error("chroot", "only root can change the root directory")
        if context.nice < 0:
            raise self._error("nice", "only root can lower the nice value")
        for name, _, hard in context.limits:
            most = self._ask.hardLimit(name)
            if most != valuetypes.UNLIMITED and not 0 <= hard <= most:
                key = next(key for key in LIMITS if LIMITS[key] == name)
                raise self._error(key, f"only root can raise the hard limit, {most}")

    def program(self) -> Program | None:
        """
        Return the program to execute, or C{None} for an internal service.

        A relative path starts from the directory of the file that has the entry.
        """
        name: str | None = self._entry.get("exec")
        if name is None:
            return None
        if "/" not in name:
            path = self._ask.environ.get("PATH", os.defpath)
            return Program(name, tuple(path.split(os.pathsep)), self._argv(name))
        try:
            directory = os.path.dirname(absolute(self._entry.location.file))
        except FileNotFoundError as why:
            if not os.path.isabs(name):
                raise self._error("exec", str(why.strerror)) from None
            directory = "/"
        path = os.path.normpath(os.path.join(directory, name))
        return Program(path, (), self._argv(name))

    def _argv(self, name: str) -> tuple[str, ...]:
        argv: tuple[str, ...] = self._entry.get("args") or (os.path.basename(name),)
        if any("\0" in argument for argument in (name, *argv)):
            raise self._error("args", "must not have a NUL character in it")
        return argv

    def warm(self, service: Service) -> WarmSpec | None:
        """
        Return how to start a warm process for the program, or C{None} for none.

        @raise ConfError: if the entry asks for one that is not possible.
        """
        wanted = self._entry.get("warm", self._settings.warm)
        preload = ",".join(self._entry.get("preload", ()))
        if preload and not wanted:
            raise self._error("preload", "is only for warm = yes")
        if not wanted:
            return None
        try:
            if service.program is None:
                raise Unfit("internal services have no program to keep warm")
            context = service.context
            return interpretedBy(
                service.program, context.chroot, preload, context.credentials
            )
        except Unfit as why:
            if self._entry.get("warm"):
                raise self._error("warm", str(why)) from None
            return None

    def warnings(self, service: Service) -> Iterator[ConfWarning]:
        """Warn if the program cannot be executed now."""
        if service.program is None:
            return
        try:
            context = service.context
            executable.findExecutable(
                service.program, context.credentials, context.chroot
            )
        except executable.NotInPath as why:
            where, reason = self._entry.where("exec"), f"{why.short} (yet)"
            yield ProgramMissing(where, "exec", reason, why.path)
        except executable.ExecutableNotFound as why:
            yield ConfWarning(self._entry.where("exec"), "exec", f"{why} (yet)")

    def variables(self) -> EnvironmentSpec:
        """Return the changes to the environment."""
        pairs = [each.partition("=") for each in self._entry.get("env", ())]
        added = tuple((name, value) for name, _, value in pairs)
        return EnvironmentSpec(added, self._entry.get("passenv"))
