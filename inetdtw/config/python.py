# -*- test-case-name: inetdtw.config.test.test_python -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Which programs an interpreter of Python can be kept for, and how it is started.

It is one whose program is an interpreter, with options that change nothing but how it
runs, and then a script, C{-m module} or C{-c code}; or one whose first line names such
an interpreter::

    python3 -u /srv/lower.py        /usr/bin/python3.11 -I -m http.server 0
    #!/usr/bin/env python3          #!/opt/venv/bin/python -IS
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from inetdtw.model.process import Credentials
from inetdtw.model.service import Program, WarmSpec
from inetdtw.system import userfile
from inetdtw.system.regularfile import NotPlain
from inetdtw.text import fromBytes

_NAME = re.compile(r"python(3(\.[0-9]+)?)?")
#: The options that take no value, and those that do.
_FLAGS, _VALUED = frozenset("uIOEsSBbP"), frozenset("XW")
#: The most of a first line that a system reads.
_LINE = 256


class Unfit(Exception):
    """No interpreter can be kept for a program; the message says why."""


def isPython(name: str) -> bool:
    """Whether a program is called as an interpreter of Python is."""
    return _NAME.fullmatch(os.path.basename(name)) is not None


def interpretedBy(
    program: Program,
    chroot: str | None = None,
    preload: str = "",
    credentials: Credentials | None = None,
) -> WarmSpec:
    """
    How to keep an interpreter for a program.

    @param chroot: the root that the program's path starts from.
    @param credentials: who runs it, if that is not the daemon's user.

    @raise Unfit: if that cannot be.
    """
    if isPython(program.name):
        count, form = divided(program.argv[1:])
        prefix, words = program.argv[: count + 1], program.argv[count + 1 :]
        return WarmSpec("", prefix, 0, form, words, preload)
    prefix, hidden = _named(_firstLine(program.name, chroot, credentials))
    if divided([*prefix[hidden + 1 :], program.name])[1]:
        raise Unfit(f"'{program.name}' names no script")
    return WarmSpec(prefix[0], prefix, hidden, "", program.argv[1:], preload)


def divided(words: Sequence[str]) -> tuple[int, str]:
    """
    Divide an interpreter's arguments into options and what they are for.

    @return: how many options there are, and C{-c} or C{-m} if that follows.
    @raise Unfit: if there is another option, or nothing to run.
    """
    index = 0
    while index < len(words):
        word = words[index]
        if word in ("-c", "-m"):
            if index + 1 == len(words):
                raise Unfit(f"{word} has nothing behind it")
            return index, word
        if word == "-":
            raise Unfit("the script is read from standard input")
        if not word.startswith("-"):
            return index, ""
        index += _option(word, words[index + 1 : index + 2])
    raise Unfit("there is no script, -m or -c")


def _option(word: str, following: Sequence[str]) -> int:
    """
    How many words an option takes.

    @raise Unfit: if it is none that can be kept.
    """
    for index, letter in enumerate(word[1:], 1):
        if letter in _VALUED:
            value = word[index + 1 :] or "".join(following)
            if value.startswith("importtime"):
                raise Unfit("-X importtime is about what comes before a client")
            return 1 if word[index + 1 :] else 2
        if letter not in _FLAGS:
            break
    else:
        if word != "--":
            return 1
    raise Unfit(f"the option {word} cannot be kept, only -u -I -O -X -W -E -s -S -B -b")


def _firstLine(path: str, chroot: str | None, credentials: Credentials | None) -> str:
    """
    The first line of a program.

    @raise Unfit: if it cannot be read.
    """
    if not os.path.isabs(path):
        raise Unfit(f"'{path}' is not an interpreter of Python")
    try:
        data = userfile.beginning(path, _LINE, credentials, chroot)
    except NotPlain as why:
        raise Unfit(f"'{path}' {why.strerror}") from None
    except OSError as why:
        raise Unfit(f"'{path}': {why.strerror}") from None
    return fromBytes(data.partition(b"\n")[0])


def _named(line: str) -> tuple[tuple[str, ...], int]:
    """
    The interpreter and the options that the first line of a program names.

    @return: the words, and how many of them are C{env}'s.
    @raise Unfit: if it names no interpreter of Python.
    """
    interpreter, *rest = line[2:].strip().split(None, 1) or [""]
    if line.startswith("#!") and os.path.isabs(interpreter):
        options = [each.strip() for each in rest]
        if isPython(interpreter):
            return (interpreter, *options), 0
        if os.path.basename(interpreter) == "env" and options:
            # With -S it divides the one argument that a first line can have.
            split = options[0].startswith("-S")
            words = options[0][2:].split() if split else options
            plain = not set("\\'\"$#") & set(options[0])
            if words and plain and isPython(words[0]) and "/" not in words[0]:
                return (interpreter, *words), 1
    raise Unfit("the program is not Python's: neither its name nor its first line is")
