# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.forkserver.channel}."""

from __future__ import annotations

import os
from dataclasses import replace

from inetdtw.helpers.protocol import ASIDE, HEADER, REPEATS_SHIFT, SMALL
from inetdtw.helpers.reports import LARGEST
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.forkserver.channel import encode
from inetdtw.launch.forkserver.test.test_process import HelperTestCase
from inetdtw.test.fakes import FakeChild, ServingTestCase, openDescriptors, openedSince


class ChannelTests(HelperTestCase):
    """Tests for L{inetdtw.launch.forkserver.channel.Channel}, as a helper uses it."""

    def test_numbers(self) -> None:
        """Every order has a number of its own, and never 0."""
        numbers = []
        self.helper._channel.number = 0xFFFFFFFD
        for _ in range(4):
            self.order()
            number, _, _, fds = self.played.take()
            os.close(fds[0])
            numbers.append(number)
        self.assertEqual(numbers, [0xFFFFFFFE, 0xFFFFFFFF, 1, 2])

    def test_tooMuch(self) -> None:
        """What cannot be sent is an error of the system, and is not waited for."""
        child = FakeChild()
        with open(os.devnull) as null:
            fds = [null.fileno()]
            self.assertRaises(
                OSError, self.helper.order, child, bytes(1 << 24), b"", fds
            )
        self.assertEqual((self.helper.load, child.told), (0, []))

    def test_large(self) -> None:
        """An order that is too large for a packet is in a file, which is closed here."""
        child, shared = FakeChild(), os.urandom(SMALL + 1)
        with open(os.devnull) as null:
            fds = [null.fileno()] * 3
            before = openDescriptors()
            self.helper.order(child, shared[:-1], b"A=1", fds)
            _, first, extra, given = self.played.take()
            self.assertEqual((first, extra, len(given)), (shared[:-1], b"A=1", 3))
            for fd in given:
                os.close(fd)
            self.helper.order(child, shared, b"A=1", fds, 3)
            _, first, extra, given = self.played.take()
            self.assertEqual((first, extra, len(given)), (b"", b"A=1", 4))
            self.assertEqual(os.pread(given[3], 1 << 20, 0), shared)
            for fd in given:
                os.close(fd)
            self.helper.order(child, shared, b"", fds, 3)
            _, length = HEADER.unpack_from(self.played.channel.recv(LARGEST))
            self.assertEqual(length, len(shared) | (3 | ASIDE) << REPEATS_SHIFT)
            self.assertEqual(openedSince(before), {})

    def test_noMemory(self) -> None:
        """Where there are no files in memory, or they are forbidden, it is another one."""

        def memfd_create(name: str) -> int:
            raise PermissionError(13, "Permission denied")

        shared = os.urandom(SMALL + 1)
        for way in (memfd_create, None):
            self.patch(os, "memfd_create", way)
            if way is None:
                del os.memfd_create
            with open(os.devnull) as null:
                self.helper.order(FakeChild(), shared, b"", [null.fileno()])
            given = self.played.take()[3]
            self.assertEqual(os.pread(given[1], 1 << 20, 0), shared)
            for fd in given:
                os.close(fd)


class EncodeTests(ServingTestCase):
    """Tests for L{encode}."""

    def test_parts(self) -> None:
        """
        The path, the arguments and the environment are divided by NUL characters,
        also those that are no text.
        """
        order = LaunchRequest(
            "/x", ("x", "a b", ""), {"A": "\udcff", "B": ""}, {}, (0, 1, 2)
        )
        self.assertEqual(encode(order), b"1\0/x\x003\0x\0a b\0\0A=\xff\0B=")
        order = replace(order, search=("/a/x", "/b/x"))
        self.assertTrue(encode(order).startswith(b"2\0/a/x\0/b/x\x003\0x\0"))
