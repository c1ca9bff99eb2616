# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.text}."""

from __future__ import annotations

import os
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw import text as module
from inetdtw.text import absolute, environment, fromBytes, native, textOf, toBytes

#: Text of all kinds: two of its bytes are not UTF-8.
TEXT = "gr\u00fc\u00df\u2026 \u0444 \udcff\udcc3"


class NativeTests(SynchronousTestCase):
    """Tests for L{native} and L{textOf}."""

    def inLocale(self, name: str) -> None:
        """Make Python encode strings as in another locale."""
        self.patch(module, "_SAME", False)
        self.patch(os, "fsencode", lambda text: text.encode(name, "surrogateescape"))
        self.patch(os, "fsdecode", lambda data: data.decode(name, "surrogateescape"))

    def test_bytes(self) -> None:
        """Any bytes can be converted to a string and back."""
        data = bytes(range(256))
        self.assertEqual(toBytes(fromBytes(data)), data)
        self.assertEqual(fromBytes(toBytes(TEXT)), TEXT)

    def test_locales(self) -> None:
        """The system gets the text in UTF-8, whatever the locale is."""
        for name in ("utf-8", "ascii", "iso-8859-1", "koi8-r"):
            self.inLocale(name)
            self.assertEqual(os.fsencode(native(TEXT)), toBytes(TEXT), name)
            self.assertEqual(textOf(native(TEXT)), TEXT, name)

    def test_same(self) -> None:
        """In a UTF-8 locale nothing is converted."""
        self.patch(module, "_SAME", True)
        self.assertIs(native(TEXT), TEXT)
        self.assertIs(textOf(TEXT), TEXT)

    def test_environment(self) -> None:
        """The environment is converted to strings."""
        self.inLocale("iso-8859-1")
        given = {"A": os.fsdecode("\u2026".encode())}
        with mock.patch.dict(os.environ, given):
            self.assertEqual(environment()["A"], "\u2026")

    def test_absolute(self) -> None:
        """A relative path is an error where the working directory was removed."""
        self.assertEqual(absolute("a/../b"), os.path.join(os.getcwd(), "b"))
        gone = self.mktemp()
        os.mkdir(gone)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(gone)
        os.rmdir(os.path.join(os.getcwd()))
        why = self.assertRaises(FileNotFoundError, absolute, "a")
        wanted = "'a' is relative, and the working directory is gone"
        self.assertEqual(why.strerror, wanted)
        self.assertEqual(absolute("/a"), "/a")
