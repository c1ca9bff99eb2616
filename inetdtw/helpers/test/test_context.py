# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the process context in L{inetdtw.helpers.spawn}."""

from __future__ import annotations

import resource

from inetdtw.helpers.spawn import parseContext, raiseHardLimits, resourceLimits
from inetdtw.helpers.test.test_spawn import contextWith
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.test.fakes import ServingTestCase


class LimitsOfTests(ServingTestCase):
    """Tests for L{resourceLimits}."""

    def test_limits(self) -> None:
        """The limits of a context are found, and nothing else."""
        context = {"umask": "022", "RLIMIT_CPU": "1:2", "RLIMIT_NOFILE": "3:-1"}
        self.assertEqual(
            resourceLimits(context),
            [(resource.RLIMIT_CPU, 1, 2), (resource.RLIMIT_NOFILE, 3, -1)],
        )


class MakeRoomTests(ServingTestCase):
    """Tests for L{raiseHardLimits}."""

    def room(self, most: int, hard: int) -> list[tuple[int, tuple[int, int]]]:
        """
        Raise a hard limit where there is another one.

        @return: the limits that are set.
        """
        calls: list[tuple[int, tuple[int, int]]] = []

        def setrlimit(number: int, limits: tuple[int, int]) -> None:
            calls.append((number, limits))
            raise ValueError("not allowed to raise maximum limit")

        self.patch(resource, "getrlimit", lambda number: (7, most))
        self.patch(resource, "setrlimit", setrlimit)
        raiseHardLimits([(resource.RLIMIT_CPU, 3, hard)])
        return calls

    def test_raised(self) -> None:
        """
        A hard limit is raised to that of programs, if this process may.

        Its own soft limit stays.
        """
        for hard in (101, resource.RLIM_INFINITY):
            wanted = [(resource.RLIMIT_CPU, (7, hard))]
            self.assertEqual(self.room(100, hard), wanted)

    def test_kept(self) -> None:
        """A hard limit that is high enough, or lower for programs only, stays."""
        for hard in (0, 99, 100):
            self.assertEqual(self.room(100, hard), [])
        for hard in (0, 99, resource.RLIM_INFINITY):
            self.assertEqual(self.room(resource.RLIM_INFINITY, hard), [])


class ContextOfTests(ServingTestCase):
    """Tests for L{parseContext}."""

    def test_same(self) -> None:
        """A context is parsed, with a user and with limits."""
        limits = (("RLIMIT_CPU", 1, 2),)
        context = ProcessContext(
            Credentials(3, 4, (5, 6)), 0o027, "/a=b", 7, "/c", limits
        )
        words = list(context.toArguments())
        self.assertEqual([f"{n}={v}" for n, v in parseContext(words).items()], words)
        self.assertEqual(parseContext(words)["directory"], "/a=b")

    def test_missing(self) -> None:
        """A context that lacks a word is refused."""
        words = list(ProcessContext(Credentials(3, 4, (5,))).toArguments())
        for left in words:
            short = [word for word in words if word != left]
            name = left.partition("=")[0]
            why = self.assertRaises(ValueError, parseContext, short)
            self.assertIn(name, str(why))

    def test_half(self) -> None:
        """A user without a group is none, nor is a group without a user."""
        for name in ("uid", "gid"):
            words = [f"{n}={value}" for n, value in contextWith(**{name: "1"}).items()]
            self.assertRaises(ValueError, parseContext, words)

    def test_unknown(self) -> None:
        """A context with an unknown or repeated word is refused."""
        words = list(ProcessContext().toArguments())
        for more in ("user=3", "uid", "uid=3", "RLIMIT_NONE=1:1", "getrlimit=1:1", ""):
            why = self.assertRaises(ValueError, parseContext, [*words, more])
            self.assertIn(f"'{more}'", str(why))
