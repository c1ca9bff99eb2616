# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests of whatever reads bytes that others have written, with any bytes.

C{tests/fuzz} goes on with the same for as long as one wants.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers import reports
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH
from inetdtw.test import fuzztargets

#: What a configuration is made of.
_WORDS = (
    *("7", "echo", "stream", "dgram", "tcp", "tcp6", "udp46", "nowait", "wait", "on"),
    *("alpine", "root.mail", "-", "internal", "/bin/cat", "cat", "user", "exec", "off"),
    *(" ", "\t", "\n", " = ", ", ", ";", "#", "'", '"', "\\", "\\x41", ":", "/", ".1"),
    *("127.0.0.1:", "[::1]:", ".include", "rlimit_as", "env", "\x1b[2J", "\u202e", "é"),
    *("service x", "{", "defaults", "[Unit]", "<", "\\\n", "rpc", "tli", "rpc/udp"),
    *("tcpmux/+a", "args", "bind", "socket_mode", "0x7", "9" * 30, "1:2", "warm = yes"),
)


class AnyBytesTests(SynchronousTestCase):
    """Tests for code that reads untrusted bytes."""

    if find_spec("hypothesis") is None:
        skip = "hypothesis is not installed"

    def _check(self, name: str, *kinds: Any) -> None:
        """Run a target on bytes that hypothesis finds."""
        from hypothesis import given, settings
        from hypothesis import strategies as st

        @settings(database=None, deadline=None, max_examples=300)
        @given(st.one_of(st.binary(max_size=600), *kinds))
        def check(data: bytes) -> None:
            fuzztargets.TARGETS[name](data)

        check()

    def test_configuration(self) -> None:
        """
        Any configuration is parsed to its end.

        Each error in it is one printable line, with a location that exists.
        """
        from hypothesis import strategies as st

        words = st.lists(st.sampled_from(_WORDS)).map("".join)
        self._check("configuration", words.map(str.encode))

    def test_tcpmux(self) -> None:
        """
        A client of tcpmux asks for one name, whatever it sends.

        No byte behind its line is received.
        """
        from hypothesis import strategies as st

        pieces = st.lists(st.text("ab\r\n", max_size=90).map(str.encode))
        self._check(
            "tcpmux",
            pieces.map(lambda all: b"".join(bytes((len(p),)) + p for p in all)),
        )

    def test_requests(self) -> None:
        """A fork server continues after any packet, and leaks no descriptor."""
        from hypothesis import strategies as st

        small = st.integers(0, 3)
        kind, size = st.integers(0, 5), st.integers(0, 40)
        head = st.tuples(kind, st.booleans(), small, small, small, size)
        texts = st.binary(max_size=40)

        def packet(head: tuple[Any, ...], text: bytes, fds: int) -> bytes:
            whole = HEADER.pack(*head) + text
            return bytes((len(whole), fds)) + whole

        packets = st.builds(packet, head, texts, small)
        self._check("requests", st.lists(packets).map(b"".join))

    def _reports(self, name: str) -> None:
        """Check any reports, most of which are about existing numbers."""
        from hypothesis import strategies as st

        few = st.integers(0, 7)
        value = st.integers(-(1 << 31), (1 << 31) - 1)
        kind, pid = st.integers(0, 14), st.integers(-1, 3)
        cpu = st.integers(0, (1 << 64) - 1)
        report = st.builds(reports.REPORT.pack, kind, few, pid, value, cpu)
        port = st.integers(0, (1 << 16) - 1)
        connection = st.builds(
            reports.CONNECTION.pack,
            st.sampled_from((reports.ACCEPTED, reports.DROPPED)),
            *(few, port, few, value, st.binary(max_size=16)),
        )
        report |= connection
        packets = report.map(lambda each: b"\x01" + each)
        self._check(name, st.lists(packets).map(b"".join))

    def test_forkServerReports(self) -> None:
        """A program starts and exits at most once for any reports of a fork server."""
        self._reports("reports")

    def test_warmReports(self) -> None:
        """A program starts and exits at most once for any reports of a warm process."""
        self._reports("warm")

    def test_found(self) -> None:
        """
        Requests that a fuzzer has found are handled.

        They have descriptors that are no sockets, no program, or a short header.
        """
        program = b"1\x00/bin/cat\x001\x00cat"
        length = len(program)
        for packet in (
            HEADER.pack(ACCEPT, False, 1, 7, 0, length) + program,
            HEADER.pack(ACCEPT, False, 1, 7, 0, 0),
            HEADER.pack(ACCEPT, True, 1, 7, 0, length),
            HEADER.pack(LAUNCH, False, 1, 0, 0, 5) + b"/bin/",
            HEADER.pack(LAUNCH, False, 2, 0, 3, length) + program,
            b"\1\2\3",
        ):
            for fds in range(4):
                fuzztargets.forkServerRequests(bytes((len(packet), fds)) + packet)
