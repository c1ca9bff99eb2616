# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.protocol}."""

from __future__ import annotations

import array
import os
import socket

from inetdtw import _warmhelper
from inetdtw.helpers import protocol
from inetdtw.helpers.protocol import (
    ENDED,
    LARGEST,
    REPORT,
    Reports,
    decode,
    pairs,
    receive,
)
from inetdtw.interfaces import Order
from inetdtw.launch.forkserver.channel import Channel, encode
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
                ours.sendmsg([b"order"], ancillary)
            packet, fds = receive(theirs, buffer)
            self.assertEqual((packet, len(fds)), (b"order", 3))
            for fd in fds:
                self.assertFalse(os.get_inheritable(fd))
                os.close(fd)
            ours.send(b"alone")
            self.assertEqual(receive(theirs, buffer), (b"alone", []))
            ours.close()
            self.assertEqual(receive(theirs, buffer), (b"", []))

    def test_decode(self) -> None:
        """What the daemon has encoded is found again."""
        order = Order("/x", ("x", "", "a=b"), {"A": "", "B": "c=d"}, {}, (0, 0, 0))
        self.assertEqual(
            decode(encode(order)),
            ([b"/x"], [b"x", b"", b"a=b"], {b"A": b"", b"B": b"c=d"}),
        )

    def test_pairs(self) -> None:
        """
        An environment is divided at the first equals sign; of nothing there is
        none.
        """
        self.assertEqual(
            pairs([b"A=1", b"", b"B==", b"C"]), {b"A": b"1", b"B": b"=", b"C": b""}
        )
        self.assertEqual(pairs(b"".split(b"\0")), {})

    def test_reports(self) -> None:
        """
        The reports of fork servers and of warm processes are of the same form, as they
        are taken apart by the same code.
        """
        self.assertEqual(protocol.REPORT.format, _warmhelper.REPORT.format)


class ReportsTests(ServingTestCase):
    """Tests for L{Reports}, with the daemon's end of the socket."""

    #: More than the daemon looks at of one packet.
    MANY = (1 << 16) // REPORT.size + 100

    def setUp(self) -> None:
        """Have a socket."""
        super().setUp()
        self.channel = Channel()
        self.addCleanup(self.channel.close)
        self.theirs = socket.socket(fileno=os.dup(self.channel.theirs))
        self.addCleanup(self.theirs.close)

    def heard(self) -> list[int]:
        """The numbers of what the daemon was told, in order."""
        numbers: list[int] = []
        while (records := self.channel.receive()) is not None:
            numbers += [REPORT.unpack(record)[1] for record in records]
        return numbers

    def test_many(self) -> None:
        """However many programs have ended at once, the daemon hears of each."""
        reports = Reports(self.theirs)
        for number in range(self.MANY):
            reports.add(ENDED, number, 5, 0)
        reports.flush()
        self.assertEqual(self.heard(), [*range(self.MANY)])
        self.assertEqual((len(reports), reports.urgent), (0, False))

    def test_manyWarm(self) -> None:
        """Nor does it miss any that were started warm."""
        ended = [REPORT.pack(ENDED, n, 5, 0, 0) for n in range(self.MANY)]
        _warmhelper.sendAll(self.theirs, ended)
        self.assertEqual(self.heard(), [*range(self.MANY)])

    def test_gone(self) -> None:
        """A daemon that is gone is told nothing."""
        reports = Reports(self.theirs)
        reports.add(ENDED, 1, 5, 0)
        self.channel.close()
        reports.flush()
        _warmhelper.sendAll(self.theirs, [REPORT.pack(ENDED, 1, 5, 0, 0)])
        self.assertEqual(len(reports), 0)
