# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Programs that are compiled for the benchmark: busybox's inetd, and a tiny service.

Debian's busybox comes without its inetd, which is among the fastest; so it is built
from Debian's source package, if there are a compiler and C{make}.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.packages import Missing, run

#: The build options that are on; all others are off.
BUSYBOX_OPTIONS = [
    "BUSYBOX",
    "INETD",
    "FEATURE_INETD_SUPPORT_BUILTIN_ECHO",
    "FEATURE_INETD_SUPPORT_BUILTIN_DISCARD",
    "FEATURE_INETD_SUPPORT_BUILTIN_TIME",
    "FEATURE_INETD_SUPPORT_BUILTIN_DAYTIME",
    "FEATURE_INETD_SUPPORT_BUILTIN_CHARGEN",
    "FEATURE_IPV6",
    "FEATURE_SYSLOG",
    "LFS",
    "LONG_OPTS",
]

PROGRAMS = Path(__file__).resolve().parent / "programs"


def busybox(cache: Path) -> list[str]:
    """
    Return a busybox that has an inetd; build it if necessary.

    @raise Missing: if there is none and it cannot be built.
    """
    built = cache / "busybox-inetd"
    for candidate in (shutil.which("busybox"), str(built)):
        if candidate and _hasInetd(candidate):
            return [candidate]
    if not (shutil.which("make") and shutil.which("cc")):
        raise Missing("Debian's has no inetd; building it needs make and cc")
    directory = cache / "busybox-build"
    shutil.rmtree(directory, ignore_errors=True)
    try:
        shutil.copy2(_build(_source(directory)) / "busybox", built)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return [str(built)]


def _hasInetd(program: str) -> bool:
    """Return whether a busybox has the inetd applet."""
    if not os.access(program, os.X_OK):
        return False
    return "inetd" in run([program, "--list"], Path("/")).split()


def _source(directory: Path) -> Path:
    """Download Debian's source package, without changing apt's lists."""
    for name in ("lists/partial", "archives/partial"):
        (directory / name).mkdir(parents=True)
    _writeSources(directory)
    options = [
        f"Dir::Etc::sourcelist={directory / 'sources.list'}",
        "Dir::Etc::sourceparts=/dev/null",
        f"Dir::State::lists={directory / 'lists'}",
        f"Dir::Cache={directory}",
        "APT::Sandbox::User=root",
    ]
    apt = ["apt-get", *(part for option in options for part in ("-o", option))]
    run([*apt, "update"], directory)
    run([*apt, "source", "busybox"], directory)
    return next(p for p in directory.glob("busybox-*") if p.is_dir())


def _writeSources(directory: Path) -> None:
    """Write a list of source archives: the system's, or those of its binaries."""
    release = Path("/etc/os-release").read_text()
    words = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    codename = words.get("VERSION_CODENAME", "stable").strip('"')
    listed = run(["apt-get", "indextargets", "--format", "$(SITE)"], directory).split()
    sites = [site for site in dict.fromkeys(listed) if "debian" in site]
    if words.get("ID") != "debian" or not sites:
        raise Missing("no Debian archive to get its source from")
    line = f"deb-src {sites[0]} {codename} main\n"
    (directory / "sources.list").write_text(line)


def _build(tree: Path) -> Path:
    """Build a busybox with the inetd applet only."""
    run(["make", "allnoconfig"], tree)
    config = (tree / ".config").read_text()
    for option in BUSYBOX_OPTIONS:
        config = config.replace(f"# CONFIG_{option} is not set", f"CONFIG_{option}=y")
    (tree / ".config").write_text(config)
    run(["sh", "-c", "yes '' | make oldconfig"], tree)
    run(["make", f"-j{os.cpu_count()}", "busybox"], tree, 900.0)
    return tree


def oneDatagram(cache: Path) -> tuple[str, ...]:
    """
    Return the command of a program that answers one datagram: in C, or else in Perl.

    @raise Missing: if there is neither a compiler nor Perl.
    """
    source, program = PROGRAMS / "onedatagram.c", cache / "onedatagram"
    if shutil.which("cc"):
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            run(["cc", "-O2", "-o", str(program), str(source)], cache)
        return (str(program),)
    perl = shutil.which("perl")
    if perl is None:
        raise Missing("no cc and no perl for a service that answers one datagram")
    text = "$peer = recv STDIN, $text, 65536, 0; send STDIN, $text, 0, $peer"
    return (perl, "-e", text)
