# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.parser}."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.entry import Entry
from inetdtw.config.keys import KEYS
from inetdtw.config.parser import Include, Statement, parse
from inetdtw.model.errors import ConfError, ConfWarning, Location
from inetdtw.test.configcase import EXAMPLES

CAT = "stream tcp nowait nobody /bin/cat cat"
#: The same in the other form.
CAT_KEYS = (
    "on socktype=stream, protocol=tcp, wait=no, user=nobody, exec=/bin/cat, args=cat;"
)


def statements(text: str, bind: tuple[str, ...] = ()) -> list[Statement]:
    """Return the statements of a text."""
    return list(parse(text, "inetd.conf", bind))


def entries(text: str) -> list[Entry]:
    """Return the entries of a text that has nothing else."""
    found = []
    for statement in statements(text):
        assert isinstance(statement, Entry), statement
        found.append(statement)
    return found


def entry(text: str) -> Entry:
    """Return the only entry of a text."""
    (found,) = entries(text)
    return found


def services(text: str) -> list[str]:
    """Return the services of a text that has only entries."""
    return [each.service for each in entries(text)]


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
        self.assertIn("a carriage return in it; lines must end", warned.reason)
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


class DefinitionTests(SynchronousTestCase):
    """Tests for key-value definitions."""

    def problemOf(self, text: str) -> ConfError:
        """Return the error that is the only statement of a text."""
        (problem,) = statements(text)
        assert isinstance(problem, ConfError), problem
        return problem

    def assertProblem(
        self, text: str, line: int, column: int, reason: str, field: str = "definition"
    ) -> None:
        """Assert that a definition is one error, and hides no other statement."""
        for form in (CAT, CAT_KEYS):
            around = f"6 {form}\n{text}\n9 {form}"
            first, problem, last = statements(around)
            assert isinstance(problem, ConfError), problem
            self.assertEqual(
                problem.location, Location("inetd.conf", line + 1, column), text
            )
            self.assertEqual(problem.field, field)
            self.assertIn(reason, problem.reason)
            self.assertEqual([first, last], entries(f"6 {form}\n9 {form}"))

    def test_bothForms(self) -> None:
        """A definition is the same as a positional line (item 27)."""
        self.assertEqual(entry(f"7007 {CAT_KEYS}"), entry(f"7007 {CAT}"))

    def test_everythingInBothForms(self) -> None:
        """Every field of a positional line has a key in a definition (item 27)."""
        for line, definition in (
            (
                "127.0.0.1,[::1]:echo stream:dataready tcp,sndbuf=64k,rcvbuf=1m "
                "nowait.600/20/60/4 u:g p p 'a b' ''",
                "echo on bind = 127.0.0.1 ::1, socktype = stream, acceptfilter = "
                "dataready, protocol = tcp, sndbuf = 64k, recvbuf = 1m, wait = no, "
                "service_max = 600, accept_max = 20, ip_max = 60, per_source = 4, "
                "user = u, group = g, exec = p, args = p 'a b' \"\";",
            ),
            (
                ":u:g:0660:/run/s seqpacket unix wait/1 - p",
                "/run/s on socket_user=u,socket_group=g,socket_mode=660,"
                "socktype=seqpacket,protocol=unix,wait=yes,accept_max=1,user=-,exec=p;",
            ),
            (
                "echo dgram udp wait root internal",
                "echo on socktype=dgram, protocol=udp, wait=yes, user=root;",
            ),
            (
                "7 dgram udp46 nowait - internal echo",
                "7 on socktype=dgram, protocol=udp46, wait=no, user=-, args=echo;",
            ),
        ):
            self.assertEqual(entry(definition), entry(line))

    def test_everyKey(self) -> None:
        """Every key can be given."""
        for name, type in KEYS.items():
            found = entry(f"7 on {name} = {EXAMPLES[name]};")
            words = tuple(EXAMPLES[name].replace('"', "").split()) or ("",)
            self.assertEqual(found.get(name), type.read(words), name)
            self.assertEqual(found.locations[name].column, 9 + len(name))

    def test_off(self) -> None:
        """A definition that is off is parsed (item 28)."""
        found = entry("7 off protocol = tcp, wait = no;")
        self.assertEqual((found.enabled, found.get("protocol")), (False, "tcp"))
        self.assertProblem("7 off wait = maybe;", 1, 14, "not yes or no", "wait")

    def test_noKeys(self) -> None:
        """A definition may have no key."""
        self.assertEqual(services("7 on;\n8\toff ;\n9 on\n;"), ["7", "8", "9"])

    def test_spelling(self) -> None:
        """Whitespace around marks, and a comma at the end, are ignored."""
        wanted = entry("7 on user = u, args = a b;")
        for text in (
            "7 on user=u,args=a b;",
            "7  \t on user= u ,args =a   b ;",
            "7 on user = u, args = a b, ;",
            "7 on\nuser\n=\nu\n,\nargs\n=\na\nb\n;",
            "7 on # on\n user = u, # the user\n# x = y;\n args = a # first\n b;# c",
            "  7 on user = 'u', args = \"a\" 'b';",
            "'7' on user = u, args = a b;",
        ):
            self.assertEqual(entry(text), wanted, text)

    def test_several(self) -> None:
        """Several definitions can be on one line."""
        line = f"6 on; 7 off user=u;8 on wait=no; 9 {CAT}\n10 on; # 11 on;\n12 on;#"
        self.assertEqual(services(line), ["6", "7", "8", "9", "10", "12"])

    def test_severalPlaces(self) -> None:
        """A statement after a semicolon has its own location."""
        _, second, third = entries(f"6 on;7 on user=u; 8 {CAT}")
        self.assertEqual(second.location, Location("inetd.conf", 1, 6))
        self.assertEqual(second.where("user"), Location("inetd.conf", 1, 16))
        self.assertEqual(third.location, Location("inetd.conf", 1, 19))
        self.assertEqual(third.where("protocol"), Location("inetd.conf", 1, 28))

    def test_lines(self) -> None:
        """Locations are right after a definition of several lines."""
        found = entries(f"7 on\n #\n\n user = u\n ;\n\n8 {CAT}")
        self.assertEqual(found[0].where("user"), Location("inetd.conf", 4, 9))
        self.assertEqual(found[1].location, Location("inetd.conf", 7, 1))

    def test_strings(self) -> None:
        """A string may have whitespace and marks in it, and every escape."""
        args = entry(r"""7 on args = "a b; c, d = e # f" '\x41\n\t\r\\\'\"' x'y'"z";""")
        self.assertEqual(args.get("args"), ("a b; c, d = e # f", "A\n\t\r\\'\"", "xyz"))

    def test_equalsSign(self) -> None:
        """A value can have an equals sign, or be an empty string."""
        self.assertEqual(entry("7 on args=a=b --c=d;").get("args"), ("a=b", "--c=d"))
        self.assertEqual(entry("""7 on args='' "";""").get("args"), ("", ""))
        self.assertEqual(entry("7 on args=;").get("args"), ())

    def test_address(self) -> None:
        """An address may precede the service, and C{bind} takes precedence over it."""
        found = entry("127.0.0.1,[::1]:7 on;")
        self.assertEqual(
            (found.service, found.get("bind")), ("7", ("127.0.0.1", "::1"))
        )
        found = entry("127.0.0.1:7 on bind = ::1;")
        self.assertEqual((found.service, found.get("bind")), ("7", ("::1",)))

    def test_continuation(self) -> None:
        """On a continuation line, C{on} does not make a definition."""
        self.assertEqual(
            entry(f"7 {CAT}\n switch on").get("args"), ("cat", "switch", "on")
        )

    def test_badKeys(self) -> None:
        """A wrong key or value makes only its definition an error (item 29)."""
        text = "7 on\n protocol = tcp,\n {}, wait = no;"
        self.assertProblem(text.format("usr = u"), 3, 2, "unknown key", "usr")
        self.assertProblem(text.format("wait = no"), 3, 13, "given twice", "wait")
        self.assertProblem(text.format("user = a b"), 3, 9, "one value, not 2", "user")
        self.assertProblem(text.format("ip_max=-1"), 3, 9, "not a number", "ip_max")

    def test_badSyntax(self) -> None:
        """A syntax error is one error, up to the end of its definition."""
        for text, line, column, mark in (
            ("7 on protocol tcp, wait = no;", 1, 15, "tcp"),
            ("7 on protocol = = tcp, wait = no;", 1, 17, "="),
            ("7 on\n protocol = tcp,\n , wait = no,\n user = u;", 3, 2, ","),
            ("7 on protocol;", 1, 14, ";"),
            ("7 on protocol, wait = no;", 1, 14, ","),
            ("7 on = tcp;", 1, 6, "="),
            ("7 on a = b\nc d = e ';'\n;", 2, 5, "="),
        ):
            self.assertProblem(text, line, column, f"unexpected '{mark}'")

    def test_noSemicolon(self) -> None:
        """A definition without its semicolon is one error, at its last word."""
        reason = "must end with a semicolon"
        self.assertProblem("7 on", 1, 3, reason)
        self.assertProblem("7 on exec = /bin/cat", 1, 13, reason)
        self.assertProblem("7 on exec = p,\n args = a b # c;\n#;", 2, 11, reason)
        self.assertProblem("7 on exec = p,", 1, 14, reason)

    def test_noSemicolonAtTheEnd(self) -> None:
        """The end of the text ends a definition without its semicolon too."""
        for text in ("7 on", "7 on user = u", "7 on user =", "7 on user = u,\n\n"):
            self.assertIn("semicolon", self.problemOf(text).reason)

    def test_openString(self) -> None:
        """A string that is not closed on its line is one error."""
        reason = "unclosed string"
        self.assertProblem("7 on args = 'a b;", 1, 13, reason)
        self.assertProblem("7 on args = 'a,\n user = u;", 1, 13, reason)
        self.assertProblem("7 on args = 'a\nb', user = u;", 1, 13, reason)

    def test_badEscape(self) -> None:
        """An unknown escape is one error."""
        self.assertProblem(r"7 on args = 'a\qb', user = u;", 1, 13, "a backslash")

    def test_badHead(self) -> None:
        """A definition without a service is one error."""
        self.assertProblem("127.0.0.1: on user = u;", 1, 1, "has no service", "service")
        self.assertProblem("'' on user = u;", 1, 1, "has no service", "service")
        self.assertProblem("'7 on user = u;", 1, 1, "unclosed quote", "line")

    def test_sameLine(self) -> None:
        """After a wrong definition, the rest of its line is parsed."""
        problem, found = statements("7 on user u; 8 on user = u;")
        assert isinstance(problem, ConfError)
        self.assertEqual(found, entry("8 on user = u;"))


class Counted(str):
    """
    A text that counts how many of its characters are looked at.

    @cvar looked: the count, of all such texts.
    """

    looked = 0

    def _look(self, count: int) -> None:
        Counted.looked += count

    def find(self, sub: str, *where: Any) -> int:
        """Count as far as it was found."""
        found = super().find(sub, *where)
        self._look((len(self) if found < 0 else found) - (where or (0,))[0])
        return found

    def rfind(self, sub: str, *where: Any) -> int:
        """Count all the way, since there may be nothing to find."""
        start, end = where
        self._look(end - start)
        return super().rfind(sub, *where)

    def count(self, sub: str, *where: Any) -> int:
        """Count all the way."""
        start, end = where
        self._look(end - start)
        return super().count(sub, *where)

    def __getitem__(self, index: Any) -> str:
        """Count the characters that are copied."""
        found = super().__getitem__(index)
        self._look(len(found))
        return found


def steps(text: str) -> int:
    """Return the work of parsing a text: calls, and characters that are examined."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    Counted.looked = 0
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for _ in parse(Counted(text)):
            pass
    finally:
        sys.setprofile(before)
    return calls + Counted.looked


class WorkTests(SynchronousTestCase):
    """Tests for the time that parsing takes."""

    def assertLinear(self, unit: str, prefix: str = "") -> None:
        """Twice the text takes at most twice the time."""
        once = steps(prefix + unit * 500)
        twice = steps(prefix + unit * 1000)
        self.assertLess(twice, 2.2 * once + 100, repr(prefix + unit))

    def test_definitions(self) -> None:
        """Definitions take linear time, with and without semicolons."""
        for unit in (
            *("a on k=v\n", "a on k=v;", "a on\n", "a on ", "a on;", "a on k =\n"),
            *("a on k=v\n#\n", "a on k=v\n b on k=v\n", "a on = ;", "a on k=v ; ;"),
            *("a on protocol=tcp, wait=no;", "a on 'b c';", "a on user=u, user=v; "),
        ):
            self.assertLinear(unit)

    def test_quotes(self) -> None:
        """Quotes that are not closed take linear time."""
        for unit in ("a on '\n", "a on 'x\" ", "a b '\n", "'", "\"'", '\\"', "'\n"):
            self.assertLinear(unit)
            self.assertLinear(unit, "a on x = ")
            self.assertLinear(unit, "a b 'c")

    def test_lines(self) -> None:
        """Whitespace, comments, continuation lines and a huge line take linear time."""
        for unit in (
            *(" ", "\n", "\t\n", "\r\n", "#\n", "a\n", "\n a", " # a\n", "a ", "a,"),
            *("a", "a:\n", ":", ";", "=", ".include a\n", f"7 {CAT}\n", "7 on;8 a\n"),
        ):
            self.assertLinear(unit)
            self.assertLinear(unit, "7 stream tcp nowait u p ")
            self.assertLinear(unit, "a on args = ")


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
