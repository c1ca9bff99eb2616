# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.parser}."""

from __future__ import annotations

from importlib.util import find_spec

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.entry import Entry
from inetdtw.config.parser import Include
from inetdtw.config.test.statements import (
    CAT,
    CAT_KEYS,
    entries,
    entry,
    services,
    statements,
)
from inetdtw.model.errors import ConfError, ConfWarning, Location


class PositionalTests(SynchronousTestCase):
    """Tests for positional lines, comments and continuation lines."""

    def test_line(self) -> None:
        """A line is an entry, without any look-up (item 1)."""
        found = entry(f"no-such-service {CAT}")
        self.assertEqual(found.service, "no-such-service")
        self.assertEqual((found.get("exec"), found.get("args")), ("/bin/cat", ("cat",)))
        self.assertEqual(found.location, Location("inetd.conf", 1, 1))

    def test_nothing(self) -> None:
        """A text of whitespace and comments has no statement (item 13)."""
        for text in ("", "\n", " \t\n\r\n", "#", "# x\n  # y", "\f\n\v\n", "\n  \n#"):
            self.assertEqual(statements(text), [], repr(text))

    def test_emptyLines(self) -> None:
        """Empty lines and trailing whitespace are ignored (item 13)."""
        self.assertEqual(services(f"\n \n7 {CAT} \t \n\t\n8 {CAT}"), ["7", "8"])
        self.assertEqual(entry(f"7 {CAT} \t "), entry(f"7 {CAT}\n"))

    def test_carriageReturns(self) -> None:
        """Lines may end with a carriage return too (item 13)."""
        lines = f"7 {CAT}\n8 {CAT}\n -u\n9 {CAT_KEYS}\n"
        self.assertEqual(entries(lines.replace("\n", "\r\n")), entries(lines))

    def test_comments(self) -> None:
        """A line that begins with a number sign is a comment (item 11)."""
        self.assertEqual(services(f"#7 {CAT}\n8 {CAT}\n#\n#9 {CAT_KEYS}"), ["8"])

    def test_capitals(self) -> None:
        """Keywords may be in capitals; names and paths stay as they are."""
        self.assertEqual(
            entry("FTP STREAM TCP NoWait.5 Root /Bin/Cat Cat"),
            entry("FTP stream tcp nowait.5 Root /Bin/Cat Cat"),
        )
        self.assertEqual(
            entry("7 on socktype = Stream, protocol = TCP6, wait = No;"),
            entry("7 on socktype = stream, protocol = tcp6, wait = no;"),
        )

    def test_commentInside(self) -> None:
        """A number sign within a line is an argument, with a warning (item 11)."""
        found, warned = statements(f"7 {CAT} # x # y")
        assert isinstance(found, Entry)
        self.assertEqual(found.get("args"), ("cat", "#", "x", "#", "y"))
        assert isinstance(warned, ConfWarning)
        self.assertEqual(warned.location, Location("inetd.conf", 1, 41))
        self.assertEqual(warned.field, "args")
        text = "inetd.conf:1:41: args: '#' is an argument of the program, not a comment"
        self.assertIn(text, str(warned))

    def test_commentBehindProgram(self) -> None:
        """A number sign right after the program draws a warning too (item 11)."""
        _, warned = statements("7 stream tcp nowait - /bin/cat #cat")
        assert isinstance(warned, ConfWarning)
        self.assertEqual(warned.location.column, 32)

    def test_continued(self) -> None:
        """A line that begins with whitespace continues the previous one (item 10)."""
        found = entries(f"7 {CAT}\n -u\n\t'a b'\n8 stream\n tcp nowait u /bin/cat")
        self.assertEqual([each.service for each in found], ["7", "8"])
        self.assertEqual(found[0].get("args"), ("cat", "-u", "a b"))

    def test_indented(self) -> None:
        """A continuation line that looks like a statement draws a warning (item 10)."""
        for more in (
            f"8 {CAT}",
            "[::1]:8 dgram,4:f udp6,sndbuf=1 nowait.5 u p",
            "8 seqpacket unix wait/1 u internal",
            "8 on protocol = tcp, args = echo;",
            "8 off bind=127.0.0.1;",
            '.include "x/*.conf"',
            "127.0.0.1:",
        ):
            found, warned = statements(f"7 {CAT}\n # x\n \t{more}\r\n")
            assert isinstance(found, Entry) and isinstance(warned, ConfWarning), more
            self.assertEqual(warned.location, Location("inetd.conf", 3, 3))
            text = "inetd.conf:3:3: line: leading whitespace makes this a continuation"
            self.assertIn(text, str(warned))
        found, *warnings = statements(f"7 {CAT}\n 8 {CAT}\n\t9 {CAT}\n")
        self.assertEqual(len(warnings), 2)

    def test_continuedArguments(self) -> None:
        """Continuation lines that can be arguments draw no warning (item 10)."""
        for more in (
            *("-u", "cat on", "x stream", "stream tcp nowait", "# 8 stream tcp nowait"),
            *("a: b", "--bind 127.0.0.1:8", "8 on b", "x.include y", "include: on"),
        ):
            self.assertEqual(len(statements(f"7 {CAT}\n {more}\n")), 1, more)

    def test_carriageReturn(self) -> None:
        """A carriage return within a line draws one warning."""
        found, warned = statements(f"7 {CAT}\r8 {CAT}\r9 {CAT}\r")
        assert isinstance(found, Entry) and isinstance(warned, ConfWarning)
        self.assertEqual(found.service, "7")
        self.assertEqual((warned.field, warned.location.line), ("line", 1))
        self.assertIn("contains a carriage return; lines must end", warned.reason)
        self.assertEqual(len(statements(f"7 {CAT}\r\n8 {CAT}\r\n")), 2)

    def test_continuedOverComments(self) -> None:
        """An indented comment does not end a continued line (item 10)."""
        self.assertEqual(
            entry(f"7 {CAT}\n # -x\n   \n -u").get("args"),
            ("cat", "-u"),
        )

    def test_notContinued(self) -> None:
        """A comment in the first column and an empty line end a line."""
        for between in ("#", ""):
            self.assertEqual(services(f"7 {CAT}\n{between}\n 8 {CAT}"), ["7", "8"])
        self.assertEqual(services(f"  7 {CAT}\n"), ["7"])

    def test_continuedPlaces(self) -> None:
        """The locations in a continuation line are those of that line."""
        found = entry("7 stream\n  tcp nowait\n u\tp\n   a\n")
        locations = {key: (at.line, at.column) for key, at in found.locations.items()}
        self.assertEqual(
            locations,
            {
                "socktype": (1, 3),
                "protocol": (2, 3),
                "wait": (2, 7),
                "user": (3, 2),
                "exec": (3, 4),
                "args": (4, 4),
            },
        )

    def test_quotes(self) -> None:
        """Quotes make one argument of several words (item 9)."""
        line = """7 stream tcp nowait - /bin/sh sh -c 'echo "a b"'"""
        self.assertEqual(entry(line).get("args"), ("sh", "-c", 'echo "a b"'))

    def test_openQuote(self) -> None:
        """A quote that is not closed is an error of its line only."""
        first, problem, last = statements(f"7 {CAT}\n8 {CAT} it's\n -u\n9 {CAT}")
        assert isinstance(problem, ConfError)
        self.assertEqual(problem.location, Location("inetd.conf", 2, 43))
        self.assertEqual(problem.field, "line")
        self.assertEqual([first, last], entries(f"7 {CAT}\n9 {CAT}"))

    def test_tooFewFields(self) -> None:
        """A line with too few fields is an error of its own (item 14)."""
        first, problem, last = statements(f"7 {CAT}\n8 stream\n9 {CAT}")
        assert isinstance(problem, ConfError)
        self.assertEqual(
            str(problem),
            "inetd.conf:2:3: protocol: is missing: a line needs 6 fields, not 2",
        )
        self.assertEqual([first, last], entries(f"7 {CAT}\n9 {CAT}"))

    def test_noService(self) -> None:
        """An address without a service is an error if other fields follow."""
        for line, field in (
            ("127.0.0.1: stream tcp nowait - p", "service"),
            ("127.0.0.1", "socktype"),
        ):
            problem, found = statements(f"{line}\n7 {CAT}")
            assert isinstance(problem, ConfError) and isinstance(found, Entry)
            self.assertEqual((problem.field, found.get("bind")), (field, None))


class DefaultAddressTests(SynchronousTestCase):
    """Tests for default addresses."""

    def bindsOf(self, text: str) -> list[tuple[str, ...] | None]:
        """Return the addresses of each entry."""
        return [each.get("bind") for each in entries(text)]

    def test_noService(self) -> None:
        """A line without a service is an error after a default address too."""
        problem, other = statements(f"*:\n'' {CAT}\n8 {CAT}")
        assert isinstance(problem, ConfError) and isinstance(other, Entry)
        self.assertEqual((problem.field, other.service), ("service", "8"))

    def test_later(self) -> None:
        """An address alone on a line is the default of later lines (item 7)."""
        text = f"6 {CAT}\n127.0.0.1:\n7 {CAT}\n8 {CAT_KEYS}\n*:\n9 {CAT}"
        local = ("127.0.0.1",)
        self.assertEqual(self.bindsOf(text), [None, local, local, ("*",)])

    def test_own(self) -> None:
        """An entry's own address comes before the default (item 7)."""
        text = f"*:\n[::1]:7 {CAT}\n[::1]:7 {CAT_KEYS}\n7 on bind = ::1;"
        self.assertEqual(self.bindsOf(text), [("::1",)] * 3)

    def test_definitionBehind(self) -> None:
        """A definition may follow a default address on the same line (item 7)."""
        found = entry(f"127.0.0.1:\n7 {CAT_KEYS}")
        self.assertEqual((found.service, found.get("bind")), ("7", ("127.0.0.1",)))
        self.assertTrue(found.enabled)

    def test_list(self) -> None:
        """The default may be several addresses (items 6 and 7)."""
        text = f"127.0.0.1,[::1]:\n7 {CAT}"
        self.assertEqual(self.bindsOf(text), [("127.0.0.1", "::1")])

    def test_path(self) -> None:
        """A UNIX socket has no address."""
        self.assertEqual(
            self.bindsOf("localhost:\n/s stream unix nowait - p\n/t on;"), [None, None]
        )

    def test_inherited(self) -> None:
        """A text can begin with a default (item 26)."""
        (found,) = statements(f"7 {CAT}", ("::1",))
        assert isinstance(found, Entry)
        self.assertEqual(found.get("bind"), ("::1",))

    def test_bad(self) -> None:
        """A wrong default address is an error, and the old one stays."""
        problem, found = statements(f"a,:\n7 {CAT}", ("::1",))
        assert isinstance(problem, ConfError) and isinstance(found, Entry)
        self.assertEqual((problem.location.column, problem.field), (3, "service"))
        self.assertEqual(found.get("bind"), ("::1",))


class IncludeTests(SynchronousTestCase):
    """Tests for C{.include} statements."""

    def test_include(self) -> None:
        """An include has its pattern and its default address (item 26)."""
        found, _ = statements(f'.include "a b/*.conf"\n7 {CAT}')
        assert isinstance(found, Include)
        self.assertEqual((found.pattern.text, found.bind), ("a b/*.conf", ()))
        self.assertEqual(found.pattern.location, Location("inetd.conf", 1, 10))

    def test_bind(self) -> None:
        """An include has the default address of its location (item 26)."""
        (found,) = statements("[::1]:\n.include c")
        assert isinstance(found, Include)
        self.assertEqual(found.bind, ("::1",))

    def test_bad(self) -> None:
        """An include has exactly one pattern."""
        for line in (".include", ".include ''", ".include a b"):
            _, problem = statements(f"7 {CAT}\n{line}\n")
            assert isinstance(problem, ConfError)
            self.assertEqual(problem.location, Location("inetd.conf", 2, 1))
            self.assertEqual(problem.field, ".include")


#: What makes a text interesting.
_TOKENS = (
    *("on", "off", "7", "stream", "tcp", "nowait", "u", "/bin/cat", "cat", "::1:"),
    *("/s", ":u:g:0660:/s", "localhost:7", "127.0.0.1:", ".include", "\\x41", "#"),
    *("protocol", "wait", "args", "bind", "user", "yes", "no", "udp", "internal"),
    *(" ", " ", " ", "\t", "\n", "\n", "\r\n", "'", '"', "\\", "=", ",", ";", ":"),
    *(".", "/", "\f", "\0", chr(0xA0), "\u2028", "\ud800", "x=y", "a on x = y;\n"),
)
#: Lines that are good, to be completed with a port.
_GOOD = (
    f"{{}} {CAT}",
    f"{{}} {CAT}\n -u\n  # comment",
    f"{{}} {CAT_KEYS}",
    "{} on\nprotocol = tcp, #;\n\n wait = no, args = \"a;\" 'b\\n',;",
    "*:{} off;",
)
#: Lines with one error each.
_BAD = (
    *("{}", "{} stream", "{} stream tcp nowait\n u", "{} straem tcp nowait u p"),
    *("{} stream rpc/tcp nowait u p", "{} stream tcp never u p", "'{}"),
    *("{} stream tcp nowait u p 'a\n b", "::1:{} stream tcp nowait u p", ".include"),
    *("{} on", "{} on user = u", "{} on user = u,\n\n args = b", "{} on a = b;"),
    *("{} on wait = maybe,\n user = u;", "{} on user u,\n wait = no;", "{} on user =;"),
    *("{} on args = 'a;\n", '{} on args = "a,\n user = u;', "{} on args = '\\q;';"),
    *("{} on user = u, user = v;", "{} on = =;", "'{} on user = u;", ":{} off;"),
    *("{} on user = a b,\n# ;\n wait = no\n;", "127.0.0.1,:", "{} on ,\n;"),
)


class PropertyTests(SynchronousTestCase):
    """Tests for properties of all texts."""

    if find_spec("hypothesis") is None:
        skip = "hypothesis is not installed"

    def test_anyText(self) -> None:
        """Any text has only statements with a location in it."""
        from hypothesis import example, given, settings
        from hypothesis import strategies as st

        @settings(database=None, deadline=None, max_examples=500)
        @given(
            st.one_of(
                st.lists(st.sampled_from(_TOKENS)).map("".join),
                st.text(st.sampled_from("a7 \t\n\r\"'\\#=,;:/.onf")),
                st.text(st.characters()),
            )
        )
        @example("a on 'x'\n;b on \"\\x00\";")
        def check(text: str) -> None:
            lines = text.split("\n")
            for statement in statements(text):
                location = (
                    statement.pattern.location
                    if isinstance(statement, Include)
                    else statement.location
                )
                self.assertLessEqual(1, location.line)
                self.assertLessEqual(location.line, len(lines))
                self.assertLessEqual(1, location.column)
                self.assertLessEqual(location.column, len(lines[location.line - 1]))

        check()

    def test_neighbours(self) -> None:
        """No text hides the lines before and after it, in either form."""
        from hypothesis import given, settings
        from hypothesis import strategies as st

        @settings(database=None, deadline=None, max_examples=300)
        @given(
            st.sampled_from((CAT, CAT_KEYS)),
            st.lists(st.sampled_from(_TOKENS)).map("".join),
        )
        def check(form: str, text: str) -> None:
            first, *_, last = statements(f"*:1 {form}\n\n{text}\n*:2 {form}")
            self.assertEqual(first, entry(f"*:1 {form}"))
            self.assertEqual(last, entry(f"*:2 {form}"))
            lines = text.count("\n") + 4
            assert isinstance(last, Entry)
            self.assertEqual(last.where("user").line, lines)

        check()

    def test_oneErrorEach(self) -> None:
        """Each statement with an error is one error, in order."""
        from hypothesis import given, settings
        from hypothesis import strategies as st

        @settings(database=None, deadline=None, max_examples=300)
        @given(st.lists(st.sampled_from(_GOOD + _BAD)))
        def check(forms: list[str]) -> None:
            wanted = []
            text = ""
            for port, form in enumerate(forms, 1):
                line = text.count("\n") + 1
                # Even a semicolon that is missing is found out at the address.
                text += form.format(port) + "\n*:\n"
                within = range(line, text.count("\n") + 1)
                wanted.append((str(port) if form in _GOOD else "", within))
            found = statements(text)
            self.assertEqual(len(found), len(wanted))
            for statement, (service, within) in zip(found, wanted):
                assert isinstance(statement, (Entry, ConfError))
                self.assertIn(statement.location.line, within)
                self.assertEqual(getattr(statement, "service", ""), service)

        check()
