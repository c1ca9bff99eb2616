# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.usage}."""

from __future__ import annotations

from twisted.python import usage
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import main
from inetdtw.cli.operate import COMMANDS
from inetdtw.cli.options import ServiceOptions
from inetdtw.cli.usage import (
    ARGUMENTS,
    GROUPS,
    OTHERS,
    Option,
    grouped,
    helpText,
    optionsOf,
)


def _count(text: str) -> int:
    """Convert a string to a number."""
    return int(text)


_count.coerceDoc = "a number from 1 to 9"  # type: ignore[attr-defined] # usage.Options reads it


class SomeOptions(usage.Options):
    """Options of each type."""

    optFlags = [["foreground", "f", "Stay."]]
    optParameters = [
        ["launch", None, "direct", "How."],
        ["number", "n", 3, "How many.", _count],
        ["else", None, None, "What else."],
    ]
    compData = usage.Completions(
        optActions={"launch": usage.CompleteList(["direct", "other"])}
    )

    def opt_conf(self, path: str) -> None:
        """
        Add a file.

        It may be repeated.
        """

    def opt_i(self) -> None:
        """Like -f."""


class OptionsOfTests(SynchronousTestCase):
    """Tests for L{optionsOf}."""

    def test_sorts(self) -> None:
        """An option has its names, its argument, its help and its default."""
        found = {option.name: option for option in optionsOf(SomeOptions())}
        wanted = [
            Option("foreground", ("f",), "", "Stay."),
            Option("launch", (), "HOW", "How. [default: direct]"),
            Option("number", ("n",), "N", "How many. [1 to 9; default: 3]"),
            Option("else", (), "VALUE", "What else."),
            Option("conf", (), "PATH", "Add a file. It may be repeated."),
            Option("i", ("i",), "", "Like -f."),
        ]
        for option in wanted:
            self.assertEqual(found[option.name], option)

    def test_names(self) -> None:
        """Its names have their dashes, and a letter is none of the long ones."""
        self.assertEqual(Option("rate", ("R",), "N", "").names, ["-R", "--rate"])
        self.assertEqual(Option("i", ("i",), "", "").names, ["-i"])

    def test_declared(self) -> None:
        """Every option that is named in a table exists."""
        names = {option.name for option in optionsOf(main.InetdOptions())}
        self.assertEqual({n for group in GROUPS.values() for n in group} - names, set())
        for command in COMMANDS.values():
            names |= {option.name for option in optionsOf(command())}
        self.assertEqual(set(ARGUMENTS) - names, set())

    def test_twistd(self) -> None:
        """C{twistd inetd} has the same options, except those of twistd."""
        ours, twistds = optionsOf(main.InetdOptions()), optionsOf(ServiceOptions())
        others = [each.name for each in twistds if each not in ours]
        self.assertEqual(others, ["version"])
        names = {each.name for each in ours} - {each.name for each in twistds}
        self.assertEqual(
            names,
            {"foreground", "stderr", "stdout", "debug", "pidfile", "log-format", *"iw"},
        )


class GroupedTests(SynchronousTestCase):
    """Tests for L{grouped}."""

    def test_every(self) -> None:
        """Every option with a long name is in exactly one group."""
        options = optionsOf(main.InetdOptions())
        groups = list(grouped(options))
        found = [option.name for _, group in groups for option in group]
        long = [option.name for option in options if len(option.name) > 1]
        self.assertEqual(sorted(found), sorted(long))
        self.assertEqual(groups[-1][0], OTHERS)

    def test_noEmpty(self) -> None:
        """A group without an option is left out."""
        (title,) = [title for title, _ in grouped([Option("conf", (), "PATH", "")])]
        self.assertEqual(title, "Configuration")


class HelpTextTests(SynchronousTestCase):
    """Tests for L{helpText}."""

    def test_layout(self) -> None:
        """Groups have titles, long names are below each other, and descriptions too."""
        options = [
            Option("conf", (), "PATH", "The file."),
            Option("foreground", ("f",), "", "word " * 12 + "end."),
            Option("max-child-per-ip-and-more", ("s",), "N", "How many."),
        ]
        text = helpText(options, "What it is for.", "One.\n\nTwo.")
        self.assertEqual(
            text,
            """
What it is for.

Configuration:
      --conf PATH             The file.

Process:
  -f, --foreground            word word word word word word word word word word
                              word word end.

Other options:
  -s, --max-child-per-ip-and-more N
                              How many.

One.

Two.
""",
        )

    def test_width(self) -> None:
        """No line is wider than a terminal of 80 columns."""
        for options in (main.InetdOptions(), ServiceOptions()):
            self.assertLess(max(map(len, str(options).splitlines())), 80)
