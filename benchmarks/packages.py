# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Peers from Debian packages, unpacked into a directory instead of installed.

Nothing of a package's own scripts runs, so no superserver is started by the system and
none is left when the directory is deleted.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

#: Packages whose own packages, in turn, are looked at for a library that is missing.
LIBRARY_DEPTH = 4


class Missing(Exception):
    """A peer is not available; the message has the reason."""


def run(argv: Sequence[str], directory: Path, timeout: float = 300.0) -> str:
    """
    Run a command in a directory, and return its output.

    @raise Missing: if it fails.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{argv[0]}: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["failed"]
        raise Missing(f"{' '.join(argv[:2])}: {lines[-1]}")
    return done.stdout


def defaultCache() -> Path:
    """Return the default directory of the packages."""
    home = os.environ.get("XDG_CACHE_HOME")
    if home:
        return Path(home) / "inetdtw-bench"
    return Path(__file__).resolve().parent / ".cache"


class Packages:
    """Unpacked packages, in one directory each."""

    def __init__(self, cache: Path) -> None:
        """@param cache: the directory of the packages, which is made if necessary."""
        self.cache = cache
        cache.mkdir(parents=True, exist_ok=True)
        self._updated = False

    def program(self, package: str, path: str) -> list[str]:
        """
        Return the command of a program, which is installed or unpacked.

        Libraries that the system lacks are unpacked too, and then the program is
        started by the dynamic loader: a variable in the environment would reach the
        services and slow them down.

        @param path: where the package has it, without the leading slash.
        @raise Missing: if it is not available.
        """
        installed = Path("/") / path
        if os.access(installed, os.X_OK) and not _isAbsent(package):
            return [str(installed)]
        binary = self._unpack(package) / path
        if not os.access(binary, os.X_OK):
            raise Missing(f"the package {package} has no /{path}")
        if not _unresolved(binary, []):
            return [str(binary)]
        return self._withLibraries(package, binary)

    def _withLibraries(self, package: str, binary: Path) -> list[str]:
        """Unpack the missing libraries of a program, and return its command."""
        fetched = [package]
        for _ in range(LIBRARY_DEPTH):
            for name in self._libraries(fetched):
                self._unpack(name)
                fetched.append(name)
            directories = self._libraryDirectories(fetched)
            if not _unresolved(binary, directories):
                path = ":".join(map(str, directories))
                return [_loader(binary), "--library-path", path, str(binary)]
        raise Missing(f"no {', '.join(_unresolved(binary, directories))}")

    def _unpack(self, package: str) -> Path:
        """Download and unpack a package, unless it is unpacked."""
        directory = self.cache / package
        if directory.is_dir():
            return directory
        partial = self.cache / f"{package}.part"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            self._download(package, partial)
            deb = str(next(partial.glob("*.deb")))
            run(["dpkg", "-x", deb, "tree"], partial)
            (partial / "tree" / "Depends").write_text(
                run(["dpkg-deb", "-f", deb, "Depends"], partial)
            )
            (partial / "tree").rename(directory)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return directory

    def _download(self, package: str, directory: Path) -> None:
        """Download a package; update the lists if they do not have it."""
        command = ["apt-get", "-o", "APT::Sandbox::User=root", "download", package]
        try:
            run(command, directory)
        except Missing:
            if self._updated or os.geteuid() != 0:
                raise
            self._updated = True
            run(["apt-get", "update"], directory)
            run(command, directory)

    def _libraries(self, packages: Sequence[str]) -> list[str]:
        """Return the packages of missing libraries."""
        text = ",".join((self.cache / p / "Depends").read_text() for p in packages)
        names = re.findall(r"(?:^|[,|])\s*(lib[^\s,|:(]+)", text)
        return [n for n in dict.fromkeys(names) if n not in packages and _isAbsent(n)]

    def _libraryDirectories(self, packages: Sequence[str]) -> list[Path]:
        """Return the library directories of the unpacked packages."""
        found = [so.parent for p in packages for so in (self.cache / p).rglob("*.so*")]
        return list(dict.fromkeys(found))


def _isAbsent(package: str) -> bool:
    """Return whether a package is not installed."""
    try:
        status = run(["dpkg-query", "-W", "-f", "${Status}", package], Path("/"))
    except Missing:
        return True
    return not status.endswith(" installed")


def _ldd(binary: Path, directories: Sequence[Path]) -> str:
    """Return the libraries that a program is linked with, by ldd(1)."""
    env = (
        ["env", "LD_LIBRARY_PATH=" + ":".join(map(str, directories))]
        if directories
        else []
    )
    try:
        return run([*env, "ldd", str(binary)], Path("/"))
    except Missing:
        return ""


def _unresolved(binary: Path, directories: Sequence[Path]) -> list[str]:
    """Return the missing libraries of a program."""
    return re.findall(
        r"^\s*(\S+) => not found", _ldd(binary, directories), re.MULTILINE
    )


def _loader(binary: Path) -> str:
    """Return the dynamic loader of a program."""
    found = re.search(r"^\s*(/\S*ld[-\w.]*\.so\S*) ", _ldd(binary, []), re.MULTILINE)
    if not found:
        raise Missing(f"no dynamic loader for {binary.name}")
    return found.group(1)
