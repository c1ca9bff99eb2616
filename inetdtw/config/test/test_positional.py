# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.positional}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.keyvalue import buildEntry
from inetdtw.config.lexer import wordsIn
from inetdtw.config.positional import hostsOf, parseLine, splitService
from inetdtw.config.test.statements import entry
from inetdtw.model.errors import ConfError, Location

GIVEN = {
    "socktype": "stream",
    "protocol": "tcp",
    "wait": False,
    "user": "nobody",
    "exec": "/bin/cat",
}


class LineTests(SynchronousTestCase):
    """Tests for the fields of positional lines."""

    def assertSays(self, line: str, service: str, **wanted: Any) -> None:
        """Assert that a line has this service and these keys."""
        name, assignments, problems = parseLine(list(wordsIn(Location("f", 1), line)))
        self.assertEqual(name.text, service)
        entry = buildEntry(name, True, assignments, problems)
        found = {key: entry.get(key) for key in entry.locations}
        self.assertEqual(found, {**GIVEN, **wanted})

    def assertProblem(self, line: str, column: int, field: str, reason: str) -> None:
        """Assert that a line has an error in this column and field."""
        with self.assertRaises(ConfError) as caught:
            name, assignments, problems = parseLine(
                list(wordsIn(Location("f", 1), line))
            )
            buildEntry(name, True, assignments, problems)
        problem = caught.exception
        self.assertEqual(problem.location, Location("f", 1, column), problem)
        self.assertEqual(problem.field, field)
        self.assertIn(reason, problem.reason)

    def test_plain(self) -> None:
        """Six fields and the arguments are a line (item 1)."""
        line = "7007 stream tcp nowait nobody /bin/cat cat -u"
        self.assertSays(line, "7007", args=("cat", "-u"))

    def test_noArguments(self) -> None:
        """The arguments may be left out (item 8)."""
        self.assertSays("7 stream tcp nowait nobody /bin/cat", "7")

    def test_manyArguments(self) -> None:
        """There may be any number of arguments (item 12)."""
        arguments = [f"a{each}" for each in range(100)]
        line = f"7 stream tcp nowait nobody /bin/cat {' '.join(arguments)}"
        self.assertSays(line, "7", args=tuple(arguments))

    def test_tooFewFields(self) -> None:
        """A line with too few fields is an error that names the next (item 14)."""
        fields = "service stream tcp nowait nobody"
        ends = {1: "socktype", 9: "protocol", 16: "wait", 20: "user", 27: "program"}
        for count, (column, missing) in enumerate(ends.items(), 1):
            line = " ".join(fields.split()[:count])
            self.assertProblem(line, column, missing, f"needs 6 fields, not {count}")

    def test_address(self) -> None:
        """An address in front of the service is the one that it listens on (item 4)."""
        rest = "stream tcp nowait nobody /bin/cat"
        self.assertSays(f"127.0.0.1:7007 {rest}", "7007", bind=("127.0.0.1",))
        self.assertSays(f"localhost:echo {rest}", "echo", bind=("localhost",))
        self.assertSays(f"*:echo {rest}", "echo", bind=("*",))

    def test_version6(self) -> None:
        """An IPv6 address is in brackets (item 5)."""
        line = "[::1]:7007 stream tcp6 nowait nobody /bin/cat"
        self.assertSays(line, "7007", bind=("::1",), protocol="tcp6")

    def test_addressList(self) -> None:
        """Addresses in front of the service are divided by commas (item 6)."""
        self.assertSays(
            "127.0.0.1,[::1],host:7 stream tcp nowait nobody /bin/cat",
            "7",
            bind=("127.0.0.1", "::1", "host"),
        )

    def test_badAddress(self) -> None:
        """A wrong address is an error at its location."""
        rest = " stream tcp nowait nobody /bin/cat"
        brackets = "IPv6 needs brackets, as in [::1]:7"
        for word, column in (
            *(("::1:7", 1), ("a,::1:7", 3), ("[::1:7", 1), ("a,,b:7", 3)),
            *((":7", 1), ("a,:7", 3), ("[]:7", 1)),
        ):
            self.assertProblem(word + rest, column, "service", brackets)

    def test_noService(self) -> None:
        """A first field without a service is an error."""
        for word in ("127.0.0.1:", "''", ":", "[::1]:"):
            line = f"{word} stream tcp nowait nobody /bin/cat"
            self.assertProblem(line, 1, "service", "has no service")

    def test_path(self) -> None:
        """A path is a UNIX socket, colons and commas included (item 19)."""
        rest = "unix nowait nobody /bin/cat"
        for path in ("/tmp/s", "/tmp/a:b,c", "/tmp/a:"):
            self.assertSays(f"{path} stream {rest}", path, protocol="unix")
        self.assertSays(
            f"/s seqpacket {rest}", "/s", protocol="unix", socktype="seqpacket"
        )

    def test_owner(self) -> None:
        """A path may have an owner, a group and permissions in front (item 20)."""
        self.assertSays(
            ":nobody:nogroup:0660:/tmp/a:b stream unix nowait nobody /bin/cat",
            "/tmp/a:b",
            protocol="unix",
            socket_user="nobody",
            socket_group="nogroup",
            socket_mode=0o660,
        )

    def test_partOfOwner(self) -> None:
        """Each part of the owner in front of a path may be empty."""
        rest = "stream unix nowait nobody /bin/cat"
        self.assertSays(f"::::/s {rest}", "/s", protocol="unix")
        self.assertSays(f":::0600:/s {rest}", "/s", protocol="unix", socket_mode=0o600)
        self.assertSays(f"::g::/s {rest}", "/s", protocol="unix", socket_group="g")

    def test_badOwner(self) -> None:
        """The owner in front of a path must be complete."""
        rest = " stream unix nowait nobody /bin/cat"
        form = "is not of the form :user:group:mode:/path"
        for word in (":u:/s", ":u:g:0600:s/t", ":u:g:/s", ":/s"):
            self.assertProblem(word + rest, 1, "service", form)
        self.assertProblem(
            ":u:g:99:/s" + rest, 6, "socket_mode", "'99' is not an octal"
        )

    def test_socketType(self) -> None:
        """A socket type may have NetBSD's limit and accept filter behind it."""
        rest = "tcp nowait nobody /bin/cat"
        self.assertSays(f"7 stream,20 {rest}", "7", accept_max=20)
        self.assertSays(f"7 stream:httpready {rest}", "7", acceptfilter="httpready")
        self.assertSays(
            f"7 stream,20:dataready {rest}",
            "7",
            accept_max=20,
            acceptfilter="dataready",
        )

    def test_badSocketType(self) -> None:
        """Each part of the socket type is an error where it is wrong."""
        rest = "tcp nowait nobody /bin/cat"
        none = "is not a socket type (stream, dgram, seqpacket)"
        self.assertProblem(f"7 straem {rest}", 3, "socktype", none)
        self.assertProblem(f"7 raw {rest}", 3, "socktype", none)
        self.assertProblem(
            f"7 stream,x {rest}", 10, "accept_max", "'x' is not a number"
        )
        self.assertProblem(
            f"7 stream,2: {rest}", 12, "acceptfilter", "must not be empty"
        )

    def test_buffers(self) -> None:
        """A protocol may have sizes of buffers behind it (item 31)."""
        rest = "nowait nobody /bin/cat"
        self.assertSays(
            f"7 stream tcp,sndbuf=64k,rcvbuf=1m {rest}",
            "7",
            sndbuf=65536,
            recvbuf=1 << 20,
        )
        self.assertSays(f"7 stream tcp,recvbuf=8192 {rest}", "7", recvbuf=8192)

    def test_badBuffers(self) -> None:
        """Each part of the protocol is an error where it is wrong."""
        rest = "nowait nobody /bin/cat"
        options = "is not an option (sndbuf=SIZE, rcvbuf=SIZE)"
        self.assertProblem(f"7 stream tcp,x=1 {rest}", 14, "protocol", options)
        self.assertProblem(f"7 stream tcp,sndbuf {rest}", 14, "protocol", options)
        size = "'9q' is not a size"
        line = f"7 stream tcp,sndbuf=1k,rcvbuf=9q {rest}"
        self.assertProblem(line, 31, "recvbuf", size)
        line = f"7 stream tcp,sndbuf=1,sndbuf=2 {rest}"
        self.assertProblem(line, 30, "sndbuf", "given twice")

    def test_unsupportedProtocols(self) -> None:
        """The protocols of faith and RPC are errors (item 30)."""
        rest = "nowait nobody /bin/cat"
        self.assertProblem(f"7 stream tcp6/faith {rest}", 10, "protocol", "faith(4)")
        self.assertProblem(f"7 stream rpc/tcp {rest}", 10, "protocol", "RPC")

    def test_wait(self) -> None:
        """The wait field is wait or nowait."""
        self.assertSays("7 stream tcp wait nobody /bin/cat", "7", wait=True)

    def test_rate(self) -> None:
        """A number behind a dot or a colon is a rate (item 15)."""
        for field, wait in (("nowait", False), ("wait", True)):
            for mark in ".:":
                line = f"7 stream tcp {field}{mark}5 nobody /bin/cat"
                self.assertSays(line, "7", wait=wait, service_max=5)

    def test_counts(self) -> None:
        """Numbers behind slashes are counts (item 15)."""
        rest = "nobody /bin/cat"
        self.assertSays(
            f"7 stream tcp nowait/5/10/2 {rest}",
            "7",
            accept_max=5,
            ip_max=10,
            per_source=2,
        )
        self.assertSays(f"7 stream tcp wait/1 {rest}", "7", wait=True, accept_max=1)
        self.assertSays(
            f"7 stream tcp nowait.9/5 {rest}", "7", service_max=9, accept_max=5
        )

    def test_emptyCounts(self) -> None:
        """A count that is empty is not given."""
        rest = "nobody /bin/cat"
        self.assertSays(f"7 stream tcp nowait///1 {rest}", "7", per_source=1)
        self.assertSays(f"7 stream tcp nowait//2 {rest}", "7", ip_max=2)
        self.assertSays(f"7 stream tcp nowait/ {rest}", "7")

    def test_badWait(self) -> None:
        """A word other than wait or nowait, or too many counts, is an error."""
        for field in (
            "nowait/1/2/3/4",
            "no",
            "wait5",
            "''",
            "nowait,5",
            "wait:5.6",
        ):
            line = f"7 stream tcp {field} nobody /bin/cat"
            self.assertProblem(line, 14, "wait", "is not wait or nowait")

    def test_badCounts(self) -> None:
        """A wrong count is an error at its location (item 16)."""
        for field, offset, key in (
            ("nowait/99999", 7, "accept_max"),
            ("nowait/5/99999", 9, "ip_max"),
            ("nowait/5/10/x", 12, "per_source"),
            ("nowait.x", 7, "service_max"),
            ("nowait:", 7, "service_max"),
            ("wait.5:6/2", 5, "service_max"),
        ):
            line = f"7 stream tcp {field} nobody /bin/cat"
            self.assertProblem(
                line, 14 + offset, key, "is not a number from 0 to 32767"
            )

    def test_user(self) -> None:
        """A group follows a colon; a login class is ignored (item 17)."""
        rest = "stream tcp nowait"
        self.assertSays(f"7 {rest} u:g /bin/cat", "7", user="u", group="g")
        self.assertSays(f"7 {rest} u.g /bin/cat", "7", user="u.g")
        self.assertSays(f"7 {rest} u:g/c /bin/cat", "7", user="u", group="g")
        self.assertSays(f"7 {rest} u/c /bin/cat", "7", user="u")
        self.assertSays(f"7 {rest} - /bin/cat", "7", user="-")
        self.assertSays(f"7 {rest} -:g /bin/cat", "7", user="-", group="g")

    def test_badUser(self) -> None:
        """An empty user or group is an error at its location."""
        rest = "7 stream tcp nowait"
        self.assertProblem(f"{rest} '' /bin/cat", 21, "user", "must not be empty")
        self.assertProblem(f"{rest} :g /bin/cat", 21, "user", "must not be empty")
        self.assertProblem(f"{rest} u: /bin/cat", 23, "group", "must not be empty")

    def test_emptyProgram(self) -> None:
        """An empty program is an error."""
        line = "7 stream tcp nowait u '' cat"
        self.assertProblem(line, 23, "exec", "must not be empty")

    def test_internal(self) -> None:
        """The arguments of an internal service name it (item 2)."""
        line = "echo stream tcp nowait - internal"
        _, assignments, _ = parseLine(list(wordsIn(Location("f", 1), line)))
        keys = [key.text for key, _ in assignments]
        self.assertEqual(keys, ["socktype", "protocol", "wait", "user"])
        _, assignments, _ = parseLine(list(wordsIn(Location("f", 1), f"{line} echo")))
        self.assertEqual(assignments[-1][0].text, "args")
        self.assertEqual([word.text for word in assignments[-1][1]], ["echo"])

    def test_places(self) -> None:
        """The location of each key is where its own part of a field begins."""
        line = "a,b:7 stream,5:x tcp,sndbuf=1k nowait.3/2/1 u:g p a"
        name, assignments, _ = parseLine(list(wordsIn(Location("f", 1), line)))
        self.assertEqual(name.location.column, 5)
        found = {
            key.text: value[0].location.column
            for key, value in assignments
            if key.text != "accept_max"
        }
        wanted = dict(
            bind=1,
            socktype=7,
            acceptfilter=16,
            protocol=18,
            sndbuf=29,
            wait=32,
            service_max=39,
            ip_max=43,
            user=45,
            group=47,
            exec=49,
            args=51,
        )
        self.assertEqual(found, wanted)


class HostsTests(SynchronousTestCase):
    """Tests for default addresses."""

    def hostsOf(self, text: str) -> list[str]:
        """Return the addresses of a line."""
        (word,) = wordsIn(Location("f", 1), text)
        return [host.text for host in hostsOf(word)]

    def test_default(self) -> None:
        """One address or several may be the default, and a star is all (item 7)."""
        self.assertEqual(self.hostsOf("127.0.0.1:"), ["127.0.0.1"])
        self.assertEqual(self.hostsOf("[::1],localhost:"), ["::1", "localhost"])
        self.assertEqual(self.hostsOf("*:"), ["*"])

    def test_bad(self) -> None:
        """A wrong address cannot be the default."""
        for text in (":", "::1:", "a,:"):
            self.assertRaises(ConfError, self.hostsOf, text)

    def test_serviceAlone(self) -> None:
        """A service without an address has no assignment for addresses."""
        (word,) = wordsIn(Location("f", 1), "echo")
        self.assertEqual(splitService(word), (word, []))


class SpellingTests(SynchronousTestCase):
    """Tests for words that may be written in several ways."""

    def test_capitals(self) -> None:
        """Keywords have any case; names of services, users and files do not."""
        found = entry("Echo STREAM,5 TCP,SndBuf=1k NoWait.2 Nobody /Bin/Cat Cat")
        self.assertEqual(found.service, "Echo")
        self.assertEqual((found.get("socktype"), found.get("wait")), ("stream", False))
        self.assertEqual((found.get("protocol"), found.get("sndbuf")), ("tcp", 1024))
        self.assertEqual(found.get("user"), "Nobody")
        self.assertEqual((found.get("exec"), found.get("args")), ("/Bin/Cat", ("Cat",)))

    def test_capitalInternal(self) -> None:
        """The keywords of an internal service have any case too."""
        found = entry("echo DGRAM UDP6 WAIT - Internal")
        self.assertEqual(found.get("protocol"), "udp6")
        self.assertEqual((found.get("wait"), found.get("exec")), (True, None))

    def test_leadingZeros(self) -> None:
        """A port with leading zeros is decimal."""
        rest = "stream tcp nowait nobody /bin/cat"
        for written, port in (("021009", "21009"), ("0" * 9 + "7", "7"), ("00", "0")):
            self.assertEqual(entry(f"{written} {rest}").service, port)
            self.assertEqual(entry(f"{written} on protocol = tcp;").service, port)
        found = entry(f"127.0.0.1:007 {rest}")
        self.assertEqual((found.service, found.get("bind")), ("7", ("127.0.0.1",)))
