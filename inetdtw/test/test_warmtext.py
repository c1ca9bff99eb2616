# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.warmtext}.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from inetdtw import _warmhelper, warmtext
from inetdtw.test.fakes import ServingTestCase

#: Orders with all that is hard to write down.
ORDERS = {"a": [b"\xff'\"\\\n{}%s", b""], "b": "\udcff\u20ac\n", "c": 7}


class TextTests(SynchronousTestCase):
    """
    Tests for what an interpreter runs.
    """

    def test_text(self) -> None:
        """
        It is the text of the helper, with its version.
        """
        text = FilePath(_warmhelper.__file__).getContent()
        self.assertEqual(warmtext.TEXT, text)
        self.assertEqual(warmtext.VERSION, _warmhelper.version(text))

    def test_version(self) -> None:
        """
        A version is a number of 64 bits, and that of no other text.
        """
        versions = {_warmhelper.version(warmtext.TEXT[:end]) for end in range(300)}
        self.assertEqual(len(versions), 300)
        self.assertEqual([each for each in versions if each >> 64], [])
        one, other = b"name = form", b"form = name"
        self.assertNotEqual(_warmhelper.version(one), _warmhelper.version(other))

    def test_program(self) -> None:
        """
        The first line has the text and the orders, and nothing in it is but ASCII; what
        follows is L{BOOT}.
        """
        line, _, rest = warmtext.program(ORDERS).decode("ascii").partition("\n")
        names: dict[str, Any] = {}
        exec(line, names)
        self.assertEqual((names["text"], names["orders"]), (warmtext.TEXT, ORDERS))
        self.assertEqual(rest, _warmhelper.BOOT)

    def test_place(self) -> None:
        """
        A path leads to descriptor 0, unless there may be no such path.
        """
        self.assertEqual(warmtext.place(None), "/dev/fd/0")
        self.assertEqual(warmtext.place("/jail"), "-")
        self.patch(os.path, "isdir", lambda path: path != "/dev/fd")
        self.assertEqual(warmtext.place(None), "-")
        self.patch(os.path, "isdir", lambda path: True)
        self.patch(sys, "platform", "freebsd14")
        self.assertEqual(warmtext.place(None), "-")


class GivenTests(ServingTestCase):
    """
    Tests for L{warmtext.given}.
    """

    def given(self) -> bytes:
        """
        Read what an interpreter would read.
        """
        with open(warmtext.given(ORDERS), "rb") as file:
            return file.read()

    def test_given(self) -> None:
        """
        A descriptor has the program, from its beginning, and is nobody else's.
        """
        self.assertEqual(self.given(), warmtext.program(ORDERS))
        one, other = warmtext.given(ORDERS), warmtext.given(ORDERS)
        self.addCleanup(os.close, one)
        self.addCleanup(os.close, other)
        os.ftruncate(one, 0)
        self.assertGreater(os.fstat(other).st_size, len(warmtext.TEXT))

    def test_file(self) -> None:
        """
        So it is where a system has no memfd_create(2).
        """
        self.patch(os, "memfd_create", None)
        del os.memfd_create
        self.assertEqual(self.given(), warmtext.program(ORDERS))

    def test_notExecutable(self) -> None:
        """
        So it is where memfd_create(2) wants to be told that nothing is to be executed.
        """
        create, flags = os.memfd_create, []

        def strict(name: str, *given: int) -> int:
            flags.append(given)
            if not given:
                raise PermissionError
            return create(name)

        self.patch(os, "memfd_create", strict)
        self.assertEqual(self.given(), warmtext.program(ORDERS))
        self.assertEqual(flags, [(), (os.MFD_CLOEXEC | 8,)])

    def test_full(self) -> None:
        """
        Nothing is left open when there is no room for it.
        """

        def full(fd: int, *rest: object) -> int:
            raise OSError(28, "No space left on device")

        self.patch(os, "lseek", full)
        self.leavesNothingOpen(
            lambda: self.assertRaises(OSError, warmtext.given, ORDERS) and None
        )
