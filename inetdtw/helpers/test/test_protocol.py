# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.protocol}."""

from __future__ import annotations

import array
import os
import socket

from inetdtw.helpers.protocol import decode, receive
from inetdtw.helpers.reports import LARGEST
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.packets import encodeProgram
from inetdtw.test.fakes import ServingTestCase


class PartsTests(ServingTestCase):
    """Tests for L{receive}, L{decode} and L{pairs}."""

    def test_receive(self) -> None:
        """A packet comes with its descriptors, which no program inherits."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        buffer = memoryview(bytearray(LARGEST))
        with ours, theirs:
            self.assertRaises(BlockingIOError, receive, theirs, buffer)
            with open(os.devnull) as null:
                rights = array.array("i", [null.fileno()] * 3)
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]
                ours.sendmsg([b"request"], ancillary)
            packet, fds = receive(theirs, buffer)
            self.assertEqual((packet, len(fds)), (b"request", 3))
            for fd in fds:
                self.assertFalse(os.get_inheritable(fd))
                os.close(fd)
            ours.send(b"alone")
            self.assertEqual(receive(theirs, buffer), (b"alone", []))
            ours.close()
            self.assertEqual(receive(theirs, buffer), (b"", []))

    def test_decode(self) -> None:
        """A program that the daemon has encoded is decoded."""
        request = LaunchRequest(
            "/x", ("x", "", "a=b"), {"A": "", "B": "c=d"}, {}, (0, 0, 0)
        )
        self.assertEqual(
            decode(encodeProgram(request)),
            ([b"/x"], [b"x", b"", b"a=b"], {b"A": b"", b"B": b"c=d"}),
        )
