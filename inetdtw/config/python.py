# -*- test-case-name: inetdtw.config.test.test_python -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Detect Python programs, which can run in a warm process.

The program is a Python interpreter, with options that are supported, and a script, C{-m
module} or C{-c code}; or a script whose C{#!} line names such an interpreter::

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
#: The supported options without a value, and those with one.
_FLAGS, _VALUED = frozenset("uIOEsSBbP"), frozenset("XW")
#: The maximum length of a C{#!} line, in bytes.
_LINE = 256


class Unfit(Exception):
    """The program cannot run in a warm process; the message is the reason."""


def isPython(name: str) -> bool:
    """Tell whether a program has the name of a Python interpreter."""
    return _NAME.fullmatch(os.path.basename(name)) is not None


def interpretedBy(
    program: Program,
    chroot: str | None = None,
    preload: str = "",
    credentials: Credentials | None = None,
) -> WarmSpec:
    """
    Return how to start a warm process for a program.

    @param chroot: the root directory of the program's path.
    @param credentials: those of the program, C{None} for the daemon's.

    @raise Unfit: if the program cannot run in one.
    """
    if isPython(program.name):
        count, form = divided(program.argv[1:])
        prefix, words = program.argv[: count + 1], program.argv[count + 1 :]
        return WarmSpec("", prefix, 0, form, words, preload)
    prefix, hidden = _named(_firstLine(program.name, chroot, credentials))
    if divided([*prefix[hidden + 1 :], program.name])[1]:
        raise Unfit(f"-c and -m are not supported in the #! line of '{program.name}'")
    return WarmSpec(prefix[0], prefix, hidden, "", program.argv[1:], preload)


def divided(words: Sequence[str]) -> tuple[int, str]:
    """
    Find the end of an interpreter's options.

    @return: the number of words that are options, and C{-c} or C{-m} if that follows.
    @raise Unfit: if an option is not supported, or nothing follows.
    """
    index = 0
    while index < len(words):
        word = words[index]
        if word in ("-c", "-m"):
            if index + 1 == len(words):
                raise Unfit(f"{word} needs an argument")
            return index, word
        if word == "-":
            raise Unfit("'-' is not supported: name a script, or use -m or -c")
        if not word.startswith("-"):
            return index, ""
        index += _option(word, words[index + 1 : index + 2])
    raise Unfit("no script: name it, or use -m or -c")


def _option(word: str, following: Sequence[str]) -> int:
    """
    Return the number of words of an option.

    @raise Unfit: if it is not supported.
    """
    for index, letter in enumerate(word[1:], 1):
        if letter in _VALUED:
            value = word[index + 1 :] or "".join(following)
            if value.startswith("importtime"):
                raise Unfit(
                    "-X importtime is not supported, as imports precede the client"
                )
            return 1 if word[index + 1 :] else 2
        if letter not in _FLAGS:
            break
    else:
        if word != "--":
            return 1
    raise Unfit(f"'{word}' is not supported (-u -I -O -X -W -E -s -S -B -b -P)")


def _firstLine(path: str, chroot: str | None, credentials: Credentials | None) -> str:
    """
    Return the first line of a program.

    @raise Unfit: if it cannot be read.
    """
    if not os.path.isabs(path):
        raise Unfit(f"'{path}' is not a Python interpreter")
    try:
        data = userfile.beginning(path, _LINE, credentials, chroot)
    except NotPlain as why:
        raise Unfit(f"'{path}' {why.strerror}") from None
    except OSError as why:
        raise Unfit(f"'{path}': {why.strerror}") from None
    return fromBytes(data.partition(b"\n")[0])


def _named(line: str) -> tuple[tuple[str, ...], int]:
    """
    Return the interpreter and its options in the C{#!} line of a program.

    @return: the words, and how many of them belong to C{env}.
    @raise Unfit: if it does not name a Python interpreter.
    """
    interpreter, *rest = line[2:].strip().split(None, 1) or [""]
    if line.startswith("#!") and os.path.isabs(interpreter):
        options = [each.strip() for each in rest]
        if isPython(interpreter):
            return (interpreter, *options), 0
        if os.path.basename(interpreter) == "env" and options:
            # A #! line has one argument, which -S splits.
            split = options[0].startswith("-S")
            words = options[0][2:].split() if split else options
            plain = not set("\\'\"$#") & set(options[0])
            if words and plain and isPython(words[0]) and "/" not in words[0]:
                return (interpreter, *words), 1
    raise Unfit(
        "not a Python program: neither its name nor its #! line names a Python "
        "interpreter"
    )
