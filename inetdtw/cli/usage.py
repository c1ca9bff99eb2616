# -*- test-case-name: inetdtw.cli.test.test_usage -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The options of a command as data, of which its help, the manuals and the shells'
completions are made.
"""

from __future__ import annotations

import getopt
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.python import usage

from inetdtw.cli.output import out
from inetdtw.text import textOf

#: The titles of the groups of options, and which options are in each.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Configuration": ("conf", "check", "explain"),
    "Process": ("foreground", "debug", "pidfile", "max-children"),
    "Operation": ("control", "metrics"),
    "Log": (
        "stderr",
        "stdout",
        "successes",
        "log-level",
        "log-addresses",
        "log-format",
    ),
    "For services whose lines do not say": (
        *("address", "backlog", "rate", "pause", "max-child", "ip-rate"),
        *("max-child-per-ip", "per-source-prefix", "answer-max", "launch", "warm"),
    ),
}
#: The title of the group of all the others.
OTHERS = "Other options"

#: What stands for an option's value, where that is no number.
ARGUMENTS = {
    "address": "HOST",
    "conf": "PATH",
    "control": "PATH",
    "explain": "SERVICE",
    "interval": "SECONDS",
    "launch": "HOW",
    "log-addresses": "PART",
    "log-format": "FORMAT",
    "log-level": "LEVEL",
    "metrics": "ENDPOINT",
    "per-source-prefix": "BITS/BITS",
    "pidfile": "FILE",
}

#: The column at which descriptions begin, and the widest line.
_COLUMN, _WIDTH = 30, 80


class Described(usage.Options):
    """Options whose description is printed as all else is."""

    def opt_help(self) -> None:
        """Display this help and exit."""
        out(str(self))
        raise SystemExit(0)


@dataclass(frozen=True)
class Option:
    """
    One option.

    @ivar name: its long name, without dashes, or its only one.
    @ivar letters: its names of one letter.
    @ivar argument: what stands for its value, or an empty text.
    @ivar about: what it does, and what holds without it.
    @ivar choices: all its values, if they are few.
    """

    name: str
    letters: tuple[str, ...]
    argument: str
    about: str
    choices: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All its names, with dashes."""
        long = [f"--{self.name}"] if len(self.name) > 1 else []
        return [*(f"-{letter}" for letter in self.letters), *long]


def reorderOptions(options: Any, arguments: Sequence[str]) -> list[str]:
    """
    Options before what is none, which is how usage.Options wants them, and not how
    people type them: without this, an option behind a file is the name of a file.

    @raise usage.UsageError: if there is no such option.
    """
    try:
        said, rest = getopt.gnu_getopt(
            list(map(textOf, arguments)), options.shortOpt, options.longOpt
        )
    except getopt.error as why:
        raise usage.UsageError(str(why)) from None
    long = {f"--{name[:-1]}" for name in options.longOpt if name.endswith("=")}
    letters = {f"-{letter}" for letter in re.findall("(.):", options.shortOpt)}
    given: list[str] = []
    for name, value in said:
        if name in long:
            given.append(f"{name}={value}")
        else:
            given += [name, value] if name in letters else [name]
    return [*given, "--", *rest]


def optionsOf(options: Any) -> list[Option]:
    """
    The options of a command.

    @param options: an instance of C{twisted.python.usage.Options}.
    """
    takers = {name[:-1] for name in options.longOpt if name.endswith("=")}
    return [
        Option(
            name,
            tuple(letters),
            _argument(options, name) if name in takers else "",
            _about(options, name),
            _choices(options, name),
        )
        for name, letters in _names(options).items()
    ]


def _names(options: Any) -> dict[str, list[str]]:
    """The letters of each option."""
    found: dict[str, list[str]] = {}
    for said, name in options.synonyms.items():
        letters = found.setdefault(name, [])
        if len(said) == 1:
            letters.append(said)
    return found


def _argument(options: Any, name: str) -> str:
    """What stands for the value of an option."""
    return ARGUMENTS.get(name, "N" if _range(options, name) else "VALUE")


def _range(options: Any, name: str) -> str:
    """The numbers that an option takes, in words, if it takes one."""
    coerce = getattr(options._dispatch.get(name), "coerce", None)
    return str(getattr(coerce, "coerceDoc", "")).replace("a number from ", "")


def _about(options: Any, name: str) -> str:
    """What an option does, what it takes, and what holds without it."""
    text = " ".join(inspect.cleandoc(options.docs[name] or "").split())
    default = options.defaults.get(name)
    if f"{name}=" not in options.longOpt or default is None:
        return text
    known = [_range(options, name), f"default: {default}"]
    return f"{text} [{'; '.join(filter(None, known))}]"


def _choices(options: Any, name: str) -> tuple[str, ...]:
    """The values of an option, if they are few."""
    action = options.compData.optActions.get(name)
    # Nobody else but zsh's completion is told them.
    return tuple(action._items) if isinstance(action, usage.CompleteList) else ()


def grouped(options: Sequence[Option]) -> Iterator[tuple[str, list[Option]]]:
    """Groups of options, each with its title."""
    known = {option.name: option for option in options}
    for title, names in GROUPS.items():
        found = [known.pop(name) for name in names if name in known]
        if found:
            yield title, found
    # What has no long name says no more than one that has.
    others = [option for option in known.values() if len(option.name) > 1]
    if others:
        yield OTHERS, others


def helpText(options: Sequence[Option], before: str, after: str) -> str:
    """
    What C{--help} prints below the synopsis.

    @param before: what the command is for.
    @param after: what else there is to know.
    """
    parts = [_wrapped(before)]
    for title, found in grouped(options):
        lines = [line for option in found for line in _described(option)]
        parts.append("\n".join([f"{title}:", *lines]))
    return "\n" + "\n\n".join([*parts, *map(_wrapped, after.split("\n\n"))]) + "\n"


def _wrapped(text: str) -> str:
    """A paragraph."""
    return textwrap.fill(" ".join(text.split()), _WIDTH - 1)


def _described(option: Option) -> Iterable[str]:
    """The lines about one option."""
    names = ", ".join(option.names)
    if not option.letters:
        names = f"    {names}"
    head = f"  {names} {option.argument}".rstrip()
    indent = " " * _COLUMN
    lines = textwrap.wrap(
        option.about,
        _WIDTH - 1,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    if len(head) > _COLUMN - 2:
        return [head, *lines]
    return [head.ljust(_COLUMN) + lines[0].strip(), *lines[1:]]
