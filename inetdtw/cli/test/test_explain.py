# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.explain}."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import explain
from inetdtw.cli.explain import explanation, quoted
from inetdtw.config.entry import Entry
from inetdtw.config.keys import KEYS
from inetdtw.config.parser import parse
from inetdtw.config.resolver import resolve
from inetdtw.model.errors import ConfError, Location
from inetdtw.model.service import Bounds, Service, Settings
from inetdtw.test.fakelookups import HOSTS, USERS, lookups

ROOT = lookups()
PLAIN = Settings()
HERE = Location("/etc/x", 1)


def servicesOf(
    text: str, given: Settings = PLAIN, file: str = "/etc/x"
) -> list[tuple[Entry, Service]]:
    """Return the services of a text, each with its entry."""
    found = []
    for entry in parse(text, file):
        assert isinstance(entry, Entry), (text, str(entry))
        on = replace(entry, enabled=True)
        found += [(entry, each) for each in resolve(on, given, ROOT).services]
    return found


#: A character that can be in a file or come of an escape, but a NUL.
characters = st.one_of(
    st.characters(min_codepoint=1, exclude_categories=["Cs"]),
    st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]),
)
words = st.text(characters, max_size=12)
names = st.text(
    st.characters(min_codepoint=0x20, exclude_categories=["C", "Zs", "Zl", "Zp"]),
    min_size=1,
    max_size=8,
)
paths = st.builds(
    "/{}".format,
    st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"])),
)
bounds = st.integers(0, 4096)
limits = st.builds(
    lambda soft, more: (soft, -1 if more is None else min(soft + more, 1024)),
    st.integers(0, 1024),
    st.none() | st.integers(0, 99),
)
ranges = {
    "id": names,
    "bind": st.lists(
        st.sampled_from(["*", "127.0.0.1", "::1", "0.0.0.0", "::", *HOSTS]),
        min_size=1,
        max_size=3,
    ).map(tuple),
    "socktype": st.sampled_from(["stream", "dgram", "seqpacket"]),
    "user": st.sampled_from(["-", "alpine.mail", *USERS]),
    "group": st.sampled_from(["mail", "nogroup"]),
    "exec": st.sampled_from(["/bin/sh", "bin/sh", "sh", "/bin/a b", "/'\"\\"]),
    "args": st.lists(words, max_size=4).map(tuple),
    "acceptfilter": st.sampled_from(["dataready", "httpready"]),
    "socket_user": st.sampled_from([*USERS]),
    "socket_group": st.just("mail"),
    "socket_mode": st.integers(0, 0o7777),
    "umask": st.integers(0, 0o777),
    "directory": st.sampled_from(["~", "/", "/srv/ftp", "/a b"]),
    "nice": st.integers(-20, 19),
    "pause": st.integers(1, 86400),
    "refusal": words,
    "groups": st.sampled_from([("yes",), ("no",), ("mail", "users")]),
    "chroot": st.just("/"),
    "sndbuf": st.integers(1, (1 << 31) - 1),
    "recvbuf": st.integers(1, (1 << 31) - 1),
    "nodelay": st.booleans(),
    "keepalive": st.booleans(),
    "stderr": st.sampled_from(["socket", "log", "null"]),
    "env": st.lists(
        st.builds("{}={}".format, names.filter(lambda name: "=" not in name), words),
        max_size=3,
    ).map(tuple),
    "passenv": st.lists(names, max_size=3).map(tuple),
    "ipsec": st.just(("",)),
    "per_source_prefix": st.tuples(st.integers(1, 32), st.integers(1, 128)),
}


def valuesOf(name: str) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of a key in an entry."""
    if name.startswith("rlimit_"):
        return limits
    return ranges.get(name, bounds)


NETWORK = ("tcp", "tcp4", "tcp6", "tcp46", "tcp6only", "udp", "udp4", "udp6", "udp46")
#: Keys that do not go with everything.
CHOOSY = (
    *("protocol", "socktype", "exec", "args", "wait", "user", "launch", "bind"),
    *("warm", "preload", "refusal", "answer_max"),
)
#: Bounds for each client address.
OF_CLIENTS = ("ip_max", "per_source", "per_source_prefix")
#: Arguments of interpreters that can be kept, and what to import in them.
INTERPRETERS = (("python3", "-IS", "/x.py", "a b"), ("python", "-u", "-c", "pass", ""))
PRELOADS = (None, ("auto",), ("json", "os.path"))


@st.composite
def programs(draw: st.DrawFn) -> dict[str, Any]:
    """Programs that can mostly be started."""
    given: dict[str, Any] = {"exec": draw(ranges["exec"]), "wait": draw(st.booleans())}
    if draw(st.booleans()):
        given["exec"] = draw(st.sampled_from(["/bin/python3", "python3.9"]))
        given["args"] = draw(st.sampled_from(INTERPRETERS))
        given["warm"] = draw(st.sampled_from([None, True, False]))
        if given["warm"]:
            given["preload"] = draw(st.sampled_from(PRELOADS))
    return given


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Entries that can mostly be served."""
    unix, internal = draw(st.booleans()), draw(st.booleans())
    usual = [key for key in KEYS if key not in CHOOSY]
    keys = {key for key in usual if unix or not key.startswith("socket_")}
    protocol = "unix" if unix else draw(st.sampled_from(NETWORK))
    if not protocol.startswith("tcp"):
        keys -= {"nodelay", "keepalive", "acceptfilter"}
    optional = {key: valuesOf(key) for key in sorted(keys)}
    given: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=optional))
    given["protocol"] = protocol
    given["bind"] = None if unix else draw(st.none() | ranges["bind"])
    given["launch"] = draw(
        st.sampled_from([None, "forkserver", "forkserver", "direct"])
    )
    given["user"] = draw(ranges["user"])
    given["warm"] = draw(st.none() | st.just(False))
    given["args"] = draw(st.none() | ranges["args"])
    if internal:
        given["args"] = (draw(st.sampled_from(["echo", "time"])),)
    else:
        given.update(draw(programs()))
    if unix or given.get("wait") or (internal and protocol.startswith("udp")):
        # No client has an address that is known.
        given = {key: each for key, each in given.items() if key not in OF_CLIENTS}
    if unix:
        given["socktype"] = draw(st.none() | ranges["socktype"])
    port = "tftp" if "udp" in given["protocol"] else "http"
    ports = ["7", "0", "65535", "echo", port]
    if protocol.startswith("tcp") and not internal and not given["wait"]:
        ports += ["tcpmux/Name", "tcpmux/+name"]
    service = draw(paths if unix else st.sampled_from(ports))
    stream = protocol.startswith("tcp") or given.get("socktype", "stream") == "stream"
    if stream and not given.get("wait") and not service.startswith("tcpmux/"):
        given["refusal"] = draw(st.none() | ranges["refusal"])
    if not stream and not given.get("wait"):
        given["answer_max"] = draw(st.none() | bounds)
    present = {key: value for key, value in given.items() if value is not None}
    locations = dict.fromkeys(present, HERE)
    return Entry(service, HERE, draw(st.booleans()), present, locations)


defaults = st.builds(
    Settings,
    st.integers(0, 999),
    st.builds(Bounds, bounds, bounds, bounds, bounds, ranges["pause"]),
    st.sampled_from(["direct", "forkserver"]),
    st.sampled_from(["*", "127.0.0.1", "many"]).map(lambda host: (host,)),
    st.booleans(),
)


class RoundTripTests(SynchronousTestCase):
    """Tests for L{explanation} and the parser."""

    @settings(
        max_examples=400,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much],
    )
    @given(entries(), defaults)
    def test_sameService(self, entry: Entry, given: Settings) -> None:
        """The explanation of any service is one definition of an equal service."""
        try:
            services = resolve(replace(entry, enabled=True), given, ROOT).services
        except ConfError:
            assume(False)
        for service in services:
            text = explanation(entry, service)
            ((again, found),) = servicesOf(text, given)
            self.assertEqual(found, service, text)
            self.assertEqual(again.enabled, entry.enabled)
            self.assertEqual(explanation(again, found), text)

    @given(words)
    def test_quoted(self, word: str) -> None:
        """Any word can be quoted, and is read as it was."""
        text = f"7 on protocol=tcp, wait=no, user=root, exec=x, args=x {quoted(word)};"
        ((_, service),) = servicesOf(text)
        assert service.program is not None
        self.assertEqual(service.program.argv, ("x", word))


class ExplanationTests(SynchronousTestCase):
    """Tests for L{explanation}."""

    def explain(self, text: str) -> str:
        """Return the explanation of the one service of a text."""
        ((entry, service),) = servicesOf(text)
        return explanation(entry, service)

    def test_program(self) -> None:
        """The definition of a line of six words has all keys."""
        wanted = """\
7007 on
    bind = *,
    socktype = stream,
    protocol = tcp,
    wait = no,
    user = alpine,
    exec = /bin/cat,
    args = cat "a b",
    accept_max = 0,
    service_max = 0,
    ip_max = 0,
    per_source = 0,
    per_source_prefix = 32/64,
    pause = 60,
    backlog = 128,
    nodelay = no,
    keepalive = no,
    umask = 0022,
    directory = /,
    nice = 0,
    groups = yes,
    stderr = socket,
    launch = forkserver,
    warm = no;"""
        line = "7007 stream tcp nowait alpine /bin/cat cat 'a b'"
        self.assertEqual(self.explain(line), wanted)

    def test_internal(self) -> None:
        """An internal service has no key for programs, and a port as a number."""
        wanted = """\
7 on
    id = echo/udp,
    bind = *,
    socktype = dgram,
    protocol = udp6,
    wait = no,
    args = echo,
    accept_max = 0,
    service_max = 0,
    ip_max = 0,
    per_source = 0,
    per_source_prefix = 32/64,
    answer_max = 6000,
    pause = 60;"""
        self.assertEqual(self.explain("echo dgram udp6 wait root internal"), wanted)

    def test_home(self) -> None:
        """The home of the user is shown as a path."""
        text = "7 on protocol=tcp, wait=no, user=alpine, exec=sh, directory=~;"
        self.assertIn("    directory = /home/alpine,", self.explain(text))

    def test_unix(self) -> None:
        """A path with whitespace is quoted, and its permissions are shown."""
        text = self.explain("'/a b' stream unix nowait root internal echo")
        self.assertTrue(text.startswith("'/a b' on\n"), text)
        self.assertIn("    socket_mode = 0600;", text)

    def test_off(self) -> None:
        """The definition of a service that is off is off."""
        self.assertTrue(self.explain("7 off protocol=tcp;").startswith("7 off\n"))


class ExplainTests(SynchronousTestCase):
    """Tests for L{explain}."""

    TEXT = """\
127.0.0.1,127.0.0.2:7007 stream tcp nowait root internal echo
echo on protocol = udp, id = mine;
/s stream unix nowait root internal echo
nix stream tcp nowait root internal
off off protocol = udp, args = discard;
9 off protocol = udp;
"""

    def setUp(self) -> None:
        """Write the file."""
        self.path = os.path.abspath(self.mktemp())
        with open(self.path, "w", encoding="ascii") as file:
            file.write(self.TEXT)
        os.chmod(self.path, 0o644)
        self.errors: list[str] = []
        self.patch(explain, "err", self.err)

    def explain(self, wanted: str) -> list[Service]:
        """Return the services of the output."""
        lines: list[str] = []
        self.patch(explain, "out", lines.append)
        found = explain.explain(wanted, [self.path], PLAIN, ROOT)
        services = [service for _, service in servicesOf("\n".join(lines))]
        self.assertEqual(found, bool(services))
        return services

    def err(self, line: str) -> None:
        """Collect an error message."""
        self.errors.append(line.replace(self.path, "FILE"))

    def test_names(self) -> None:
        """A service is found by name, by its first word and by address."""
        for wanted in ("mine", "echo", "0.0.0.0:7"):
            (service,) = self.explain(wanted)
            self.assertEqual(service.name, "mine")
            self.assertEqual(service.socktype, socket.SOCK_DGRAM)
        (service,) = self.explain("/s")
        self.assertEqual(service.address.host, "/s")

    def test_several(self) -> None:
        """A line with two addresses is explained as two services."""
        hosts = [each.address.host for each in self.explain("7007")]
        self.assertEqual(hosts, ["127.0.0.1", "127.0.0.2"])
        (service,) = self.explain("127.0.0.2:7007/tcp")
        self.assertEqual(service.address.host, "127.0.0.2")

    def test_off(self) -> None:
        """A service that is off is explained too."""
        (service,) = self.explain("9/udp")
        self.assertEqual(service.internal, "discard")

    def test_place(self) -> None:
        """Above each definition is its location."""
        lines: list[str] = []
        self.patch(explain, "out", lines.append)
        explain.explain("mine", [self.path], PLAIN, ROOT)
        self.assertEqual(lines[0], f"# {self.path}:2:1")

    def test_unknown(self) -> None:
        """For an unknown name, the services and all errors are printed."""
        self.assertEqual(self.explain("other"), [])
        *wrong, reason = self.errors
        self.assertTrue(reason.startswith("'other' is not a service ("), reason)
        self.assertIn(" mine, /s/unix", reason)
        self.assertIn("FILE:4:1: service: 'nix/tcp'", wrong[0])

    def test_unreadable(self) -> None:
        """A line with an error, or a missing file, has no service to explain."""
        with open(self.path, "a", encoding="ascii") as file:
            file.write("8 steam tcp nowait root internal echo\n")
        self.assertEqual(self.explain("8"), [])
        self.assertIn("FILE:7:3: socktype: ", "\n".join(self.errors))
        self.assertEqual(self.explain("mine")[0].name, "mine")
        os.unlink(self.path)
        self.errors.clear()
        self.assertEqual(self.explain("8"), [])
        wrong, reason = self.errors
        self.assertIn("FILE:1:1: file: 'FILE' cannot be read: No such file", wrong)
        self.assertEqual(reason, "'8' is not a service (none)")

    def test_bad(self) -> None:
        """For a service whose line has an error, the error is printed."""
        self.assertEqual(self.explain("nix"), [])
        self.assertIn("FILE:4:1: service: 'nix/tcp'", self.errors[0])
