# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Build the files of a release reproducibly.

    python .ci/distributions.py DIRECTORY [OPTION OF build...]

They are built from a copy without files of earlier builds.  Each file has the time
C{SOURCE_DATE_EPOCH}, or else that of the last commit, and does not depend on the
builder's name, group or umask.  C{python -m build} alone builds such a wheel, but not
such a source distribution.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_LEFT_OUT = (
    *("build", "dist", "*.egg-info", "__pycache__", "dropin.cache", "_trial_temp*"),
    *(".git", ".venv", ".nox", ".hypothesis", ".*_cache"),
)

#: The earliest time that a file in a wheel can have: 1980.
_EARLIEST = 315532800


def epoch() -> int:
    """Return the time for all files, in seconds since 1970."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    command = ["git", "-C", str(_CHECKOUT), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.check_output(command, stderr=subprocess.DEVNULL))
    except (OSError, subprocess.CalledProcessError):
        return _EARLIEST


def build(kind: str, source: Path, target: Path, options: list[str]) -> Path:
    """
    Build one file.

    @param kind: C{sdist} or C{wheel}.
    """
    command = [sys.executable, "-m", "build", f"--{kind}", "--outdir", str(target)]
    subprocess.run([*command, *options, str(source)], check=True)
    (built,) = target.iterdir()
    return built


def packed(sdist: Path, target: Path, time: int) -> Path:
    """Repack a source distribution without traces of its builder and time."""
    again = target / sdist.name
    with tarfile.open(sdist) as source, again.open("wb") as file:
        members = sorted(source.getmembers(), key=lambda member: member.name)
        with (
            gzip.GzipFile("", "wb", 9, file, time) as compressed,
            tarfile.open(fileobj=compressed, mode="w") as result,
        ):
            for member in members:
                result.addfile(_anonymous(member, time), source.extractfile(member))
    return again


def _anonymous(member: tarfile.TarInfo, time: int) -> tarfile.TarInfo:
    """Return a file of a source distribution without traces of its builder."""
    member.mtime = time
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.pax_headers = {}
    return member


def main(target: Path, options: list[str]) -> None:
    """Build both."""
    os.umask(0o022)
    time = epoch()
    os.environ["SOURCE_DATE_EPOCH"] = str(time)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        ignored = shutil.ignore_patterns(*_LEFT_OUT)
        shutil.copytree(_CHECKOUT, directory / "source", symlinks=True, ignore=ignored)
        built = build("sdist", directory / "source", directory / "sdist", options)
        sdist = packed(built, target, time)
        # The wheel of what is published, not of the checkout.
        with tarfile.open(sdist) as archive:
            archive.extractall(directory / "unpacked")
        (unpacked,) = (directory / "unpacked").iterdir()
        wheel = build("wheel", unpacked, directory / "wheel", options)
        shutil.copyfile(wheel, target / wheel.name)
    print(sdist, target / wheel.name, sep="\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
