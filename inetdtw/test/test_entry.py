# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.entry}.
"""

from __future__ import annotations

from dataclasses import FrozenInstanceError

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.entry import KEYS, ConfError, Entry, Place, Word, entryFrom

HERE = Place("etc/inetd.conf", 3, 5)

#: The keys of NetBSD's inetd.conf(5).
NETBSD = {
    *("bind", "socktype", "accept_max", "acceptfilter", "protocol", "sndbuf"),
    *("recvbuf", "wait", "service_max", "ip_max", "user", "group", "exec", "args"),
    "ipsec",
}


def wordAt(text: str, column: int) -> Word:
    """
    A word of the fourth line.
    """
    return Word(text, Place("inetd.conf", 4, column))


def entryOf(*said: tuple[str, tuple[str, ...]]) -> Entry:
    """
    The entry that says these keys, the n-th of them in column 100 n and its value
    ten columns behind it.
    """
    pairs = [
        (wordAt(name, at), tuple(wordAt(each, at + 10) for each in value))
        for at, (name, value) in zip(range(100, 10000, 100), said)
    ]
    return entryFrom(wordAt("7", 1), True, pairs)


class PlaceTests(SynchronousTestCase):
    """
    Tests for places and errors.
    """

    def test_place(self) -> None:
        """
        A place is written as compilers write it.
        """
        self.assertEqual(str(HERE), "etc/inetd.conf:3:5")

    def test_error(self) -> None:
        """
        An error is written as its place, its field and what is wrong.
        """
        error = ConfError(HERE, "user", "is empty")
        self.assertEqual(str(error), "etc/inetd.conf:3:5: user: is empty")

    def test_oneLine(self) -> None:
        """
        An error is one line, whatever it quotes.
        """
        error = ConfError(HERE, "a\nb", "'\u00e9 \x1b[m\0\udcff\r' is wrong")
        wanted = "etc/inetd.conf:3:5: a\\nb: '\u00e9 \\x1b[m\\x00\\udcff\\r' is wrong"
        self.assertEqual(str(error), wanted)


class KeyTests(SynchronousTestCase):
    """
    Tests for the declarations of the keys.
    """

    def test_netbsd(self) -> None:
        """
        There is every key of NetBSD.
        """
        self.assertEqual(NETBSD - set(KEYS), set())

    def test_documented(self) -> None:
        """
        Every key has a sentence of help, a kind and an example.
        """
        for name, key in KEYS.items():
            self.assertEqual(key.name, name)
            self.assertTrue(key.help.endswith("."), name)
            self.assertTrue(key.kind.name, name)
            self.assertTrue(key.example, name)

    def test_examples(self) -> None:
        """
        Every key's example is a value that it takes.
        """
        for name, key in KEYS.items():
            words = tuple(key.example.replace('"', "").split())
            entry = entryOf((name, words))
            self.assertEqual(getattr(entry, name), key.kind.read(words), name)

    def test_counts(self) -> None:
        """
        The unit of every number is declared.
        """
        for name, key in KEYS.items():
            if key.kind.name in ("number", "size", "limit"):
                self.assertTrue(key.unit, name)


class EntryTests(SynchronousTestCase):
    """
    Tests for L{Entry} and L{entryFrom}.
    """

    def test_nothingSaid(self) -> None:
        """
        A key that is not given is C{None}.
        """
        entry = entryOf()
        self.assertEqual(entry.service, "7")
        self.assertTrue(entry.enabled)
        self.assertEqual({getattr(entry, name) for name in KEYS}, {None})

    def test_where(self) -> None:
        """
        The place of a key is that of its first word, or that of the key if it has
        none, or else that of the definition.
        """
        entry = entryOf(("args", ("cat", "-u")), ("ipsec", ()))
        self.assertEqual(entry.where("args").column, 110)
        self.assertEqual(entry.where("ipsec").column, 200)
        self.assertEqual(entry.where("user"), Place("inetd.conf", 4, 1))

    def test_places(self) -> None:
        """
        Entries that say the same in different places are equal.
        """
        one = entryFrom(Word("7", HERE), True, [])
        self.assertEqual(one, entryOf())
        self.assertEqual(hash(one), hash(entryOf()))
        self.assertNotEqual(one, entryFrom(Word("7", HERE), False, []))
        self.assertNotEqual(one, entryOf(("nice", ("1",))))

    def test_frozen(self) -> None:
        """
        An entry cannot be changed.
        """
        with self.assertRaises(FrozenInstanceError):
            entryOf().service = "8"  # type: ignore[misc] # it is the test

    def assertProblem(
        self, column: int, field: str, reason: str, *said: tuple[str, tuple[str, ...]]
    ) -> None:
        """
        The entry that says this is refused.
        """
        problem = self.assertRaises(ConfError, entryOf, *said)
        self.assertEqual(problem.place, Place("inetd.conf", 4, column))
        self.assertEqual((problem.field, problem.reason), (field, reason))

    def test_unknownKey(self) -> None:
        """
        A key that does not exist is an error at its name (item 29).
        """
        said = [("user", ("-",)), ("usr", ("-",))]
        reason = "there is no such key; did you mean user?"
        self.assertProblem(200, "usr", reason, *said)

    def test_fieldThatIsNoKey(self) -> None:
        """
        What an entry knows besides the keys cannot be given.
        """
        for name in ("service", "enabled", "places", ""):
            problem = self.assertRaises(ConfError, entryOf, (name, ("x",)))
            self.assertEqual((problem.field, problem.place.column), (name, 100))

    def test_keyTwice(self) -> None:
        """
        A key that is given twice is an error at the second name (item 29).
        """
        said = [("user", ("-",)), ("user", ("-",))]
        self.assertProblem(200, "user", "is given twice", *said)

    def test_tooManyValues(self) -> None:
        """
        Two values where one is taken are an error (item 29).
        """
        reason = "takes one value, not 2"
        self.assertProblem(110, "user", reason, ("user", ("a", "b")))

    def test_noValue(self) -> None:
        """
        No value where one is taken is an error at the key's name.
        """
        self.assertProblem(100, "user", "takes one value, not 0", ("user", ()))

    def test_badValue(self) -> None:
        """
        A value of another type is an error at the value.
        """
        reason = "'maybe' is neither yes nor no"
        self.assertProblem(110, "wait", reason, ("wait", ("maybe",)))

    def test_protocols(self) -> None:
        """
        The names of all protocols are taken (item 23).
        """
        suffixes = ("", "4", "6", "46", "6only")
        names = [base + suffix for base in ("tcp", "udp") for suffix in suffixes]
        for name in (*names, "unix"):
            self.assertEqual(entryOf(("protocol", (name,))).protocol, name)

    def refusal(self, key: str, *value: str) -> str:
        """
        What is said of a value that is refused.
        """
        return str(self.assertRaises(ConfError, entryOf, (key, value)).reason)

    def test_faith(self) -> None:
        """
        The faith protocols are named as gone (item 30).
        """
        for protocol in ("tcp6/faith", "faith/tcp6"):
            self.assertIn("faith(4) is gone", self.refusal("protocol", protocol))

    def test_rpc(self) -> None:
        """
        An RPC protocol is refused with a message that names RPC.
        """
        for protocol in ("rpc/tcp", "rpc/udp6"):
            self.assertIn("RPC registration", self.refusal("protocol", protocol))

    def test_unknownProtocol(self) -> None:
        """
        An unknown protocol is refused with all there are.
        """
        reason = self.refusal("protocol", "sctp")
        self.assertTrue(reason.startswith("'sctp' is none of tcp, tcp4, "), reason)

    def test_ipsec(self) -> None:
        """
        An empty IPsec policy is taken, and any other one refused, as the service
        would run without it.
        """
        self.assertEqual(entryOf(("ipsec", ("",))).ipsec, ("",))
        self.assertIn("IPsec", self.refusal("ipsec", "in ipsec esp/transport//require"))

    def test_id(self) -> None:
        """
        A service's name in the log is one word.
        """
        self.assertEqual(entryOf(("id", ("lower",))).id, "lower")
        self.assertIn("a blank", self.refusal("id", "two words"))
        self.assertIn("cannot be printed", self.refusal("id", "two\nlines"))

    def test_paths(self) -> None:
        """
        The folders of a program's context are absolute.
        """
        self.assertEqual(entryOf(("directory", ("~",))).directory, "~")
        self.assertEqual(entryOf(("directory", ("/srv",))).directory, "/srv")
        self.assertIn("absolute", self.refusal("directory", "srv"))
        self.assertIn("absolute", self.refusal("chroot", "~"))

    def test_maxChild(self) -> None:
        """
        A count goes up to 32767, and 0 is none (item 16).
        """
        for key in ("accept_max", "service_max", "ip_max", "per_source"):
            self.assertEqual(getattr(entryOf((key, ("0",))), key), 0)
            self.assertEqual(getattr(entryOf((key, ("32767",))), key), 32767)
            self.assertIn("from 0 to 32767", self.refusal(key, "32768"))

    def test_otherNumbers(self) -> None:
        """
        Other numbers go as far as the system's do.
        """
        for key, good, bad in (
            *(("backlog", 0, -1), ("backlog", 65536, 65537)),
            *(("nice", -20, -21), ("nice", 19, 20)),
        ):
            self.assertEqual(getattr(entryOf((key, (str(good),))), key), good)
            self.assertIn("is not a number from", self.refusal(key, str(bad)))
