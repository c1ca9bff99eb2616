# -*- test-case-name: inetdtw.cli.test.test_usage -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The options of a command as data, for help, man pages and completions."""

from __future__ import annotations

import getopt
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from twisted.python import usage

from inetdtw.cli.output import out
from inetdtw.text import textOf

#: The options of each group, by its title.
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
    "Defaults of services": (
        *("address", "backlog", "rate", "pause", "max-child", "ip-rate"),
        *("max-child-per-ip", "per-source-prefix", "answer-max", "launch", "warm"),
        "service-stderr",
    ),
}
#: The title of the group of all other options.
OTHERS = "Other options"

#: The placeholders for values that are not numbers.
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
    "service-stderr": "WHERE",
    "wait": "SECONDS",
}

#: The column at which descriptions begin, and the widest line.
_COLUMN, _WIDTH = 30, 80


class Described(usage.Options):
    """
    Options whose help is printed in UTF-8, with a check for write errors.

    @cvar synopsis: its usage.
    @cvar longdesc: the purpose of the command.
    @cvar epilogue: paragraphs after the options.
    """

    synopsis = longdesc = epilogue = ""

    def opt_help(self) -> None:
        """Display this help and exit."""
        out(str(self))
        raise SystemExit(0)

    opt_h = opt_help

    def getUsage(self, width: int | None = None) -> str:
        """Return what C{--help} prints below the synopsis."""
        return helpText(optionsOf(self), self.longdesc, self.epilogue)


@dataclass(frozen=True)
class Option:
    """
    An option of a command.

    @ivar name: its long name, without dashes, or its only one.
    @ivar letters: its short names.
    @ivar argument: the placeholder for its value, or an empty string.
    @ivar about: its help, with its range and its default.
    """

    name: str
    letters: tuple[str, ...]
    argument: str
    about: str

    @property
    def names(self) -> list[str]:
        """Return all its names, with dashes."""
        long = [f"--{self.name}"] if len(self.name) > 1 else []
        return [*(f"-{letter}" for letter in self.letters), *long]


def reorderOptions(options: usage.Options, arguments: Sequence[str]) -> list[str]:
    """
    Return a command line with its options first, as usage.Options needs it.

    Without this, an option after a file would be the name of a file.

    @raise usage.UsageError: if an option is unknown.
    """
    try:
        pairs, rest = getopt.gnu_getopt(
            list(map(textOf, arguments)), options.shortOpt, options.longOpt
        )
    except getopt.error as why:
        raise usage.UsageError(str(why)) from None
    takers = {f"--{name[:-1]}" for name in options.longOpt if name.endswith("=")}
    takers |= {f"-{letter}" for letter in re.findall("(.):", options.shortOpt)}
    given = [pair if pair[0] in takers else pair[:1] for pair in pairs]
    return [*chain.from_iterable(given), "--", *rest]


def optionsOf(options: usage.Options) -> list[Option]:
    """
    Return the options of a command.

    @param options: an instance of C{twisted.python.usage.Options}.
    """
    takers = {name[:-1] for name in options.longOpt if name.endswith("=")}
    return [
        Option(
            name,
            tuple(letters),
            _argument(options, name) if name in takers else "",
            _about(options, name),
        )
        for name, letters in _names(options).items()
    ]


def _names(options: usage.Options) -> dict[str, list[str]]:
    """Return the short names of each option."""
    found: dict[str, list[str]] = {}
    for synonym, name in options.synonyms.items():
        letters = found.setdefault(name, [])
        if len(synonym) == 1:
            letters.append(synonym)
    return found


def _argument(options: usage.Options, name: str) -> str:
    return ARGUMENTS.get(name, "N" if _range(options, name) else "VALUE")


def _range(options: usage.Options, name: str) -> str:
    """Return the range of a number in words, or an empty string."""
    coerce = getattr(options._dispatch.get(name), "coerce", None)
    return str(getattr(coerce, "coerceDoc", "")).replace("a number from ", "")


def _about(options: usage.Options, name: str) -> str:
    """Return the help of an option, with its range and its default."""
    text = " ".join(inspect.cleandoc(options.docs[name] or "").split())
    default = options.defaults.get(name)
    if f"{name}=" not in options.longOpt or default is None:
        return text
    known = [_range(options, name), f"default: {default}"]
    return f"{text} [{'; '.join(filter(None, known))}]"


def grouped(options: Sequence[Option]) -> Iterator[tuple[str, list[Option]]]:
    """Yield groups of options, each with its title."""
    known = {option.name: option for option in options}
    for title, names in GROUPS.items():
        found = [known.pop(name) for name in names if name in known]
        if found:
            yield title, found
    # An option without a long name is an alias.
    others = [option for option in known.values() if len(option.name) > 1]
    if others:
        yield OTHERS, others


def helpText(options: Sequence[Option], before: str, after: str) -> str:
    """
    Return what C{--help} prints below the synopsis.

    @param before: the purpose of the command.
    @param after: paragraphs after the options.
    """
    parts = [_wrapped(before)]
    for title, found in grouped(options):
        lines = [line for option in found for line in _described(option)]
        parts.append("\n".join([f"{title}:", *lines]))
    return "\n" + "\n\n".join([*parts, *map(_wrapped, after.split("\n\n"))]) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.split()), _WIDTH - 1)


def _described(option: Option) -> Iterable[str]:
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
