# -*- test-case-name: inetdtw.launch.warm.test.test_command -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The command and the program of a warm process.

The program is L{inetdtw.helpers.warm.source} as this process has loaded it, also after
an upgrade.  The interpreter reads it, and the parameters of the process, from
descriptor 0, which is not limited as arguments are (execve(2)).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from inetdtw.helpers import warm
from inetdtw.helpers.warm.protocol import version
from inetdtw.interfaces import LaunchRequest
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec
from inetdtw.text import toBytes

#: The path by which Linux opens the file of descriptor 0.
STANDARD_INPUT = "/dev/fd/0"

#: The most bytes of the program's arguments that ps(1) shows.
_SHOWN = 1 << 14

#: Variables of the interpreter that its programs do not have: it binds all symbols when
#: it starts, so that no child has to bind them again (ld.so(8)).
OWN = {"LD_BIND_NOW": "1"}

TEXT = warm.source()
VERSION = version(TEXT)


def warmCommand(
    spec: WarmSpec,
    request: LaunchRequest,
    preload: str,
    context: ProcessContext,
) -> tuple[str, list[str], dict[str, object]]:
    """
    Return how to start an interpreter as a warm process.

    @param spec: the interpreter.
    @param request: a cold start of the program.
    @param preload: the modules to preload.
    @param context: the process context of the program.

    @return: what to execute, its arguments, and the parameters of the process: see
        L{inetdtw.helpers.warm.protocol.PARAMETERS}.
    """
    script = (request.executable,) if spec.starter else ()
    own = spec.prefix[spec.hidden :]
    words = [*script, *spec.words]
    parameters = {
        "form": spec.form,
        "index": len(own),
        "preload": preload,
        "paths": list(map(toBytes, request.paths)),
        "argv": list(map(toBytes, request.argv)),
        "origArgv": list(map(toBytes, [*own, *words])),
        "directory": toBytes(context.directory),
        "own": list(map(toBytes, OWN.keys() - request.environment.keys())),
    }
    argument = scriptArgument(context.chroot)
    # The process itself does not read these.
    shown = words if len(toBytes("".join(words))) < _SHOWN else []
    argv = [*spec.prefix, argument, *shown]
    return spec.starter or request.executable, argv, parameters


def scriptArgument(chroot: str | None) -> str:
    """
    Return the argument that makes an interpreter run descriptor 0.

    As a script of its own it puts no user's directory into C{sys.path}, but C{/}: the
    imports before its first line are not searched for in the working directory, as they
    are with C{-c} and C{-}.  The latter needs no C{/dev}.

    @param chroot: the root directory of the process, if it is not the daemon's.
    """
    linux = sys.platform == "linux" and chroot is None
    return STANDARD_INPUT if linux and os.path.isdir("/dev/fd") else "-"


def program(parameters: Mapping[str, object]) -> bytes:
    """
    Return the content of descriptor 0.

    @param parameters: strings, numbers, bytes and lists of these, by the names in
        L{inetdtw.helpers.warm.protocol.PARAMETERS}.
    """
    line = f"text, parameters = {TEXT!a}, {dict(parameters)!a}\n"
    return (line + warm.BOOT).encode("ascii")
