# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The interpreters of Python that are on this machine."""

from __future__ import annotations

import functools
import glob
import os
import re
import subprocess

_NAME = re.compile(r"python3(\.\d+)?")
_VERSION = (
    "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.prefix)"
)


@functools.cache
def pythons() -> dict[str, str]:
    """Return the paths of CPython from 3.7 on, in PATH and of pyenv, by version."""
    found: dict[tuple[int, int], str] = {}
    for path in _candidates():
        version = _versionOf(path)
        if version is not None and version >= (3, 7):
            found.setdefault(version, path)
    return {"{}.{}".format(*version): found[version] for version in sorted(found)}


def _candidates() -> list[str]:
    """Return paths that may be interpreters."""
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin"]
    folders = [each for each in folders if not each.endswith("/shims")]
    paths = [path for each in folders for path in glob.glob(f"{each}/python3*")]
    paths = [path for path in paths if _NAME.fullmatch(os.path.basename(path))]
    return [*sorted(glob.glob(f"{root}/versions/*/bin/python3")), *paths]


def _versionOf(path: str) -> tuple[int, int] | None:
    """Return the version of an interpreter, if it is a CPython that works."""
    try:
        said = subprocess.run(
            [path, "-I", "-c", _VERSION], capture_output=True, text=True, timeout=20
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return None
    if said[:1] != ["cpython"]:
        return None
    return int(said[1]), int(said[2])
