# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.channel}.
"""

from __future__ import annotations

import os
from dataclasses import replace

from inetdtw.channel import encode
from inetdtw.interfaces import Order
from inetdtw.test.fakes import FakeChild, ServingTestCase
from inetdtw.test.test_helper import HelperTestCase


class ChannelTests(HelperTestCase):
    """
    Tests for L{inetdtw.channel.Channel}, as a helper uses it.
    """

    def test_numbers(self) -> None:
        """
        Every order has a number of its own, and never 0.
        """
        numbers = []
        self.helper._channel.number = 0xFFFFFFFD
        for _ in range(4):
            self.order()
            number, _, _, fds = self.played.take()
            os.close(fds[0])
            numbers.append(number)
        self.assertEqual(numbers, [0xFFFFFFFE, 0xFFFFFFFF, 1, 2])

    def test_tooMuch(self) -> None:
        """
        What cannot be sent is an error of the system, and is not waited for.
        """
        child = FakeChild()
        with open(os.devnull) as null:
            fds = [null.fileno()]
            self.assertRaises(
                OSError, self.helper.order, child, bytes(1 << 24), b"", fds
            )
        self.assertEqual((self.helper.load, child.told), (0, []))


class EncodeTests(ServingTestCase):
    """
    Tests for L{encode}.
    """

    def test_parts(self) -> None:
        """
        The path, the arguments and the environment are divided by NUL characters,
        also those that are no text.
        """
        order = Order("/x", ("x", "a b", ""), {"A": "\udcff", "B": ""}, {}, (0, 1, 2))
        self.assertEqual(encode(order), b"1\0/x\x003\0x\0a b\0\0A=\xff\0B=")
        order = replace(order, search=("/a/x", "/b/x"))
        self.assertTrue(encode(order).startswith(b"2\0/a/x\0/b/x\x003\0x\0"))
