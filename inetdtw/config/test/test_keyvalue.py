# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.keyvalue}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.keys import KEYS
from inetdtw.config.test.statements import (
    CAT,
    CAT_KEYS,
    entries,
    entry,
    services,
    statements,
)
from inetdtw.model.errors import ConfError, Location
from inetdtw.test.configcase import EXAMPLES, entryOf


class BuildEntryTests(SynchronousTestCase):
    """Tests for L{inetdtw.config.keyvalue.buildEntry}."""

    def assertProblem(
        self,
        column: int,
        field: str,
        reason: str,
        *assignments: tuple[str, tuple[str, ...]],
    ) -> None:
        """Assert that these assignments are refused."""
        problem = self.assertRaises(ConfError, entryOf, *assignments)
        self.assertEqual(problem.location, Location("inetd.conf", 4, column))
        self.assertEqual((problem.field, problem.reason), (field, reason))

    def test_unknownKey(self) -> None:
        """A key that does not exist is an error at its name (item 29)."""
        assignments = [("user", ("-",)), ("usr", ("-",))]
        reason = "unknown key; did you mean user?"
        self.assertProblem(200, "usr", reason, *assignments)

    def test_fieldThatIsNoKey(self) -> None:
        """An attribute of an entry that is not a key is an unknown key."""
        for name in ("service", "enabled", "locations", ""):
            problem = self.assertRaises(ConfError, entryOf, (name, ("x",)))
            self.assertEqual((problem.field, problem.location.column), (name, 100))

    def test_keyTwice(self) -> None:
        """A key that is given twice is an error at the second name (item 29)."""
        assignments = [("user", ("-",)), ("user", ("-",))]
        self.assertProblem(
            200, "user", "is given twice; it takes one value", *assignments
        )

    def test_tooManyValues(self) -> None:
        """Two values for a key that takes one are an error (item 29)."""
        reason = "takes one value, not 2"
        self.assertProblem(110, "user", reason, ("user", ("a", "b")))

    def test_noValue(self) -> None:
        """A missing value is an error at the key's name."""
        self.assertProblem(100, "user", "takes one value, not 0", ("user", ()))

    def test_badValue(self) -> None:
        """A value of another type is an error at the value."""
        reason = "'maybe' is not yes or no"
        self.assertProblem(110, "wait", reason, ("wait", ("maybe",)))


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
