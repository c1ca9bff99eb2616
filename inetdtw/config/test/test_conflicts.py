# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.conflicts}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.conflicts import dropDuplicates, overlapping, unreachable
from inetdtw.config.entry import Entry
from inetdtw.config.parser import parse
from inetdtw.config.resolver import resolve
from inetdtw.model.errors import ConfWarning, DuplicateService
from inetdtw.model.service import Service
from inetdtw.test.configcase import PLAIN, ROOT, SH, serviceOf


class DropDuplicatesTests(SynchronousTestCase):
    """Tests for L{dropDuplicates}."""

    def dropDuplicates(self, text: str) -> list[Service | ConfWarning]:
        """Return the services of a file, and the warnings."""
        found: list[Service] = []
        for entry in parse(text, "x"):
            assert isinstance(entry, Entry), entry
            found += resolve(entry, PLAIN, ROOT).services
        return list(dropDuplicates(found))

    def servedOf(self, text: str) -> list[Service]:
        """Return the services of a file without warnings."""
        served = []
        for each in self.dropDuplicates(text):
            assert isinstance(each, Service), each
            served.append(each)
        return served

    def test_duplicate(self) -> None:
        """The first of two services with one socket is served (item 25)."""
        first, warning, last = self.dropDuplicates(
            "7 stream tcp nowait - internal echo\n"
            "echo stream tcp4 nowait - internal discard\n"
            "8 stream tcp nowait - internal echo\n"
        )
        assert isinstance(first, Service) and isinstance(last, Service)
        assert isinstance(warning, DuplicateService)
        self.assertEqual((first.internal, first.address.port), ("echo", 7))
        self.assertEqual(last.address.port, 8)
        self.assertEqual(
            str(warning),
            "x:2:1: service: 0.0.0.0:7 is already served by x:1:1: remove one "
            "of the lines; most other inetds serve the last",
        )

    def test_bothFamilies(self) -> None:
        """A socket of both families has the port in each, only of its protocol."""
        both = "7 stream tcp46 nowait - internal echo\n"
        for protocol, address in (("tcp", "0.0.0.0:7"), ("tcp6", "[::]:7")):
            one = f"7 stream {protocol} nowait - internal echo\n"
            for text in (both + one, one + both):
                first, warning = self.dropDuplicates(text)
                self.assertIsInstance(first, Service)
                self.assertIsInstance(warning, DuplicateService)
                wanted = f"x:2:1: service: {address} is already served by x:1:1"
                self.assertIn(f"{wanted}: ", str(warning))
        self.assertEqual(
            len(self.servedOf(both + "7 dgram udp wait - internal echo\n")), 2
        )
        anyPort = "0 stream tcp46 nowait - internal echo\n"
        four = "0 stream tcp nowait - internal echo\n"
        self.assertEqual(len(self.servedOf(anyPort + four + anyPort)), 3)

    def test_partOfSeveral(self) -> None:
        """Of several addresses only those in use are dropped (item 25)."""
        first, second, warning = self.dropDuplicates(
            "127.0.0.2:7 stream tcp nowait - internal echo\n"
            "127.0.0.1,127.0.0.2:7 stream tcp nowait - internal echo\n"
        )
        assert isinstance(first, Service) and isinstance(second, Service)
        self.assertEqual(str(second.address), "127.0.0.1:7")
        self.assertIsInstance(warning, ConfWarning)

    def test_different(self) -> None:
        """Services that differ in protocol, family, address or port are kept."""
        lines = (
            "7 stream tcp nowait - internal echo",
            "7 dgram udp wait - internal echo",
            "7 stream tcp6 nowait - internal echo",
            "127.0.0.1:7 stream tcp nowait - internal echo",
            "8 stream tcp nowait - internal echo",
            "/s stream unix nowait - internal echo",
            "/t stream unix nowait - internal echo",
        )
        found = self.servedOf("\n".join(lines))
        self.assertEqual(len(found), len(lines))
        self.assertEqual(len({each.key for each in found}), len(lines))

    def test_anyPort(self) -> None:
        """Lines for port 0 have one socket each, and keep it over a reload."""
        line = "0 stream tcp nowait - internal echo\n"
        found = self.servedOf(line * 3 + "0 dgram udp wait - internal echo\n")
        self.assertEqual([each.address.port for each in found], [0] * 4)
        self.assertEqual([each.address.ordinal for each in found], [0, 1, 2, 0])
        self.assertEqual(len({each.key for each in found}), 4)
        again = self.servedOf(line * 2)
        self.assertEqual([each.key for each in again], [each.key for each in found[:2]])

    def test_names(self) -> None:
        """Every service has a name of its own in the log."""
        line = "0 stream tcp nowait - internal echo\n"
        found = self.servedOf(line * 3 + "7 on protocol=udp, args=echo, id=0/tcp;")
        names = [each.name for each in found]
        self.assertEqual(names, ["0/tcp", "0/tcp#2", "0/tcp#3", "0/tcp#4"])

    def test_unixSockets(self) -> None:
        """Two services with one path and socket type are duplicates (item 25)."""
        line = "/s stream unix nowait - internal echo\n"
        first, second = self.dropDuplicates(line * 2)
        self.assertIsInstance(first, Service)
        self.assertIsInstance(second, ConfWarning)


class OverlappingTests(SynchronousTestCase):
    """Tests for L{overlapping}."""

    def warnings(self, *lines: str) -> list[str]:
        """Return the warnings of a file."""
        services: list[Service] = []
        for entry in parse("".join(f"{line} - internal echo\n" for line in lines), "x"):
            assert isinstance(entry, Entry), entry
            services += resolve(entry, PLAIN, ROOT).services
        return list(map(str, overlapping(services)))

    def test_part(self) -> None:
        """An address that overlaps another draws a warning with both."""
        for kind, one, every in (
            ("stream tcp nowait", "127.0.0.1", "0.0.0.0"),
            ("dgram udp wait", "127.0.0.1", "0.0.0.0"),
            ("stream tcp6 nowait", "[::1]", "[::]"),
        ):
            lines = [f"{host}:7 {kind}" for host in (one, every)]
            for first, second in ((one, every), (every, one)):
                wanted = (
                    f"x:2:{len(second) + 2}: service: {second}:7 overlaps {first}:7 "
                    f"(x:1:{len(first) + 2}); outside the BSDs only one of them can be "
                    "bound"
                )
                self.assertEqual(self.warnings(*lines), [wanted])
                lines.reverse()

    def test_bothFamilies(self) -> None:
        """A socket of both families has the addresses of both."""
        for one in ("127.0.0.1:7 stream tcp nowait", "[::1]:7 stream tcp6 nowait"):
            self.assertEqual(len(self.warnings("7 stream tcp46 nowait", one, one)), 2)

    def test_apart(self) -> None:
        """Other ports, protocols and families draw no warning."""
        found = self.warnings(
            *("7 stream tcp nowait", "127.0.0.1:8 stream tcp nowait"),
            *("127.0.0.1:7 dgram udp wait", "[::1]:7 stream tcp6 nowait"),
            *("127.0.0.1:9 stream tcp nowait", "127.0.0.2:9 stream tcp nowait"),
            *("0 stream tcp nowait", "127.0.0.1:0 stream tcp nowait"),
            *("/s stream unix nowait", "/t stream unix nowait"),
        )
        self.assertEqual(found, [])


class TcpmuxTests(SynchronousTestCase):
    """Tests for the services behind tcpmux (item 90)."""

    def test_duplicateName(self) -> None:
        """Of two services with one name behind tcpmux, the first is served."""
        first = serviceOf(f"tcpmux/x stream tcp nowait {SH}")
        second = serviceOf(f"tcpmux/+X stream tcp nowait {SH}")
        found = list(dropDuplicates([first, second]))
        self.assertIs(found[0], first)
        self.assertIsInstance(found[1], DuplicateService)

    def test_unreachable(self) -> None:
        """A service behind tcpmux draws a warning if no service is tcpmux."""
        behind = serviceOf(f"tcpmux/x stream tcp nowait {SH}")
        echo = serviceOf("7 stream tcp nowait root internal")
        (warning,) = unreachable([echo, behind])
        self.assertIn("no tcpmux service is configured", warning.reason)
        mux = serviceOf("7007 stream tcp nowait root internal tcpmux")
        self.assertEqual(list(unreachable([mux, behind])), [])
        self.assertEqual(list(unreachable([echo])), [])
