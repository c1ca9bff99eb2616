# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What a program finds when a daemon has started it, and what it leaves behind.

The names of the test classes give the user of the daemon and that of the programs.
"""

from __future__ import annotations

import os
import pwd
from typing import Any, ClassVar

from tests.support import interpreters, users
from tests.support.daemon import (
    freePort,
)
from tests.support.probe import (
    CARELESS,
    DEFAULT_SIGNALS,
    KINDS,
    LAUNCHES,
    ProbeTestCase,
    blocking,
)
from tests.support.serving import readAll
from tests.support.users import ordinaryUser

#: What concerns a daemon, or another connection: no program must see it.
_OWN = {
    "LISTEN_FDS": "3",
    "LISTEN_PID": "1",
    "NOTIFY_SOCKET": "/nowhere",
    "WATCHDOG_USEC": "1000000",
    "REMOTE_ADDR": "192.0.2.1",
    "REMOTE_PORT": "9",
    "TCPREMOTEIP": "192.0.2.1",
    "TCPREMOTEHOST": "liar.example",
    "TCPLOCALIP": "192.0.2.2",
    "PROTO": "SCTP",
}

#: What belongs to the login of the daemon's user.
_LOGIN = {
    "LD_BIND_NOW": "1",
    "MAIL": "/var/mail/root",
    "TERMINFO": "/nowhere",
    "TMPDIR": "/nowhere",
    "SSH_AUTH_SOCK": "/nowhere",
    "DISPLAY": ":0",
    "VISUAL": "vi",
    "HOME": "/home/of-the-starter",
    "USER": "starter",
    "LOGNAME": "starter",
    "SHELL": "/bin/of-the-starter",
}

#: What all of the daemon's programs may know, and what those of its own user may.
_SHARED = {"TZ": "UTC", "LANG": "C.UTF-8"}

_KEPT = {**_SHARED, "TS_DATABASE": "/some/where"}

#: The variables about a program's connection.
_CONNECTION = (
    *("PROTO", "TCPLOCALIP", "TCPLOCALPORT", "TCPREMOTEIP", "TCPREMOTEPORT"),
    *("REMOTE_ADDR", "REMOTE_PORT", "TCPREMOTEHOST"),
)


def _noUser() -> pwd.struct_passwd | None:
    """Return the user of the tests."""
    return None


class StartedTests(ProbeTestCase):
    """
    Programs of all kinds of services, run by the user of the daemon.

    @cvar launch: how they are started.
    @cvar owner: returns the user of the daemon.
    @cvar found: what programs found, by launcher and users.
    """

    launch = "forkserver"
    kept = _KEPT
    owner = staticmethod(ordinaryUser)
    found: ClassVar[dict[type, dict[str, Any]]] = {}

    def user(self) -> str:
        """Return the user that the configuration names."""
        return "-"

    def runsAs(self) -> pwd.struct_passwd:
        """Return the user of the programs."""
        return self.owner() or pwd.getpwuid(os.geteuid())

    def setUp(self) -> None:
        """Start all kinds of programs, once for all tests of a class."""
        super().setUp()
        if type(self) not in self.found:
            env = {**_OWN, **_LOGIN, **_KEPT}
            self.found[type(self)] = self.reports(
                self.launch, self.user(), self.owner(), env
            )
        self.reported = self.found[type(self)]

    def assertAll(self, name: str, expected: object) -> None:
        """Check one thing that programs of every kind have found."""
        seen = {kind: found[name] for kind, found in self.reported.items()}
        self.assertEqual(seen, dict.fromkeys(KINDS, expected))

    def test_descriptors(self) -> None:
        """
        A program has the descriptors 0, 1 and 2, all of them the socket.

        Standard error of a C{wait} service leads to the log.
        """
        for kind, found in self.reported.items():
            fds = found["fds"]
            self.assertEqual(sorted(fds), ["0", "1", "2"], kind)
            self.assertRegex(fds["0"], r"\Asocket:", kind)
            if kind.endswith(" wait"):
                self.assertRegex(fds["2"], r"\Apipe:", kind)
            else:
                self.assertEqual(fds["1"], fds["2"], kind)
            if kind != "dgram nowait":
                self.assertEqual(fds["0"], fds["1"], kind)

    def test_blocking(self) -> None:
        """The three descriptors of a program are blocking."""
        self.assertAll("blocking", [True, True, True])

    def test_listeningSocket(self) -> None:
        """Only the program of a C{stream wait} service has the listening socket."""
        seen = {kind: found["listens"] for kind, found in self.reported.items()}
        expected = {**dict.fromkeys(KINDS, 0), "stream wait": 1}
        self.assertEqual(seen, expected)

    def test_session(self) -> None:
        """A program leads its own session and process group."""
        for kind, found in self.reported.items():
            self.assertEqual(found["session"], found["pid"], kind)
            self.assertEqual(found["group"], found["pid"], kind)

    def test_directory(self) -> None:
        """A program starts in the root directory."""
        self.assertAll("directory", "/")

    def test_umask(self) -> None:
        """A program has umask 022."""
        self.assertAll("umask", 0o022)

    def test_arguments(self) -> None:
        """A program has the arguments of its definition."""
        for kind, found in self.reported.items():
            expected = [KINDS[kind].way, "two words"]
            self.assertEqual(found["arguments"][1:], expected, kind)

    def test_ids(self) -> None:
        """All user and group ids of a program are its user's."""
        user = self.runsAs()
        for kind, found in self.reported.items():
            status = found["status"]
            self.assertEqual(status["Uid"].split(), [str(user.pw_uid)] * 4, kind)
            self.assertEqual(status["Gid"].split(), [str(user.pw_gid)] * 4, kind)

    def test_groups(self) -> None:
        """A program has exactly the supplementary groups of its user."""
        user = self.runsAs()
        groups = set(os.getgrouplist(user.pw_name, user.pw_gid))
        if self.owner() is None and self.user() == "-":
            groups = {*os.getgroups(), user.pw_gid}
        for kind, found in self.reported.items():
            self.assertEqual({*found["groups"], user.pw_gid}, groups, kind)

    def test_capabilities(self) -> None:
        """A program has capabilities only if it runs as root."""
        for kind, found in self.reported.items():
            capable = int(found["status"]["CapEff"], 16) != 0
            self.assertEqual(capable, self.runsAs().pw_uid == 0, kind)

    def test_environmentOfTheDaemon(self) -> None:
        """A program inherits variables that do not concern the daemon alone."""
        for kind, found in self.reported.items():
            env = found["environment"]
            kept = {name: env[name] for name in _KEPT if name in env}
            self.assertEqual(kept, self.kept, kind)
            left = [name for name in _OWN if env.get(name) == _OWN[name]]
            self.assertEqual(left, [], kind)

    def test_login(self) -> None:
        """A program has the daemon's login variables when it has its user."""
        for kind, found in self.reported.items():
            env = found["environment"]
            self.assertEqual({name: env.get(name) for name in _LOGIN}, _LOGIN, kind)

    def test_addresses(self) -> None:
        """A program has the addresses of its connection, in both dialects."""
        found = self.reported["stream nowait"]
        env = {name: found["environment"].get(name) for name in _CONNECTION}
        port = env["TCPREMOTEPORT"]
        self.assertNotIn(port, (None, "0", str(found["port"])))
        expected = {
            "PROTO": "TCP",
            "TCPLOCALIP": "127.0.0.1",
            "TCPLOCALPORT": str(found["port"]),
            "TCPREMOTEIP": "127.0.0.1",
            "TCPREMOTEPORT": port,
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_PORT": port,
            "TCPREMOTEHOST": None,
        }
        self.assertEqual(env, expected)

    def test_noAddresses(self) -> None:
        """A program without a connection has no addresses, not even older ones."""
        for kind in set(KINDS) - {"stream nowait"}:
            env = self.reported[kind]["environment"]
            self.assertEqual([name for name in _CONNECTION if name in env], [], kind)

    def test_signals(self) -> None:
        """A program has default signals, even if the daemon was started without."""
        for wrapper in (CARELESS, blocking(interpreters.python())):
            found = self.signals(self.launch, self.user(), self.owner(), wrapper)
            self.assertEqual(found, dict.fromkeys(KINDS, DEFAULT_SIGNALS))


class DirectlyStartedTests(StartedTests):
    """Programs that the daemon itself starts."""

    launch = "direct"


class _OnlyRoot:
    """Tests that need to be root."""

    skip = None if users.ROOT else users.NOT_ROOT
    owner = staticmethod(_noUser)


class StartedByRootTests(_OnlyRoot, StartedTests):
    """Programs of root, when root runs the daemon."""

    def user(self) -> str:
        """Return the name of the user of the programs."""
        return "root"


class DirectlyStartedByRootTests(StartedByRootTests):
    """Programs of root that the daemon itself starts."""

    launch = "direct"


class StartedForAlpineTests(_OnlyRoot, StartedTests):
    """Programs of the user C{alpine}, when root runs the daemon."""

    kept = _SHARED

    def user(self) -> str:
        """Return the name of the user of the programs."""
        return users.alpine().pw_name

    def runsAs(self) -> pwd.struct_passwd:
        """Return the user of the programs."""
        return users.alpine()

    def test_login(self) -> None:
        """A program has the login variables of its user, not of the daemon's."""
        user = users.alpine()
        own = {
            "USER": user.pw_name,
            "LOGNAME": user.pw_name,
            "HOME": user.pw_dir,
            "SHELL": user.pw_shell,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        }
        expected = {**dict.fromkeys(_LOGIN), **own}
        for kind, found in self.reported.items():
            env = found["environment"]
            self.assertEqual({name: env.get(name) for name in expected}, expected, kind)


class DirectlyStartedForAlpineTests(StartedForAlpineTests):
    """Programs of C{alpine} that root's daemon itself starts."""

    launch = "direct"


class GroupTests(_OnlyRoot, ProbeTestCase):
    """Groups that a configuration names."""

    def groups(self, user: str) -> tuple[str, set[int]]:
        """Return the group and the supplementary groups of a program of C{user}."""
        found = {
            (report["status"]["Gid"].split()[1], tuple(sorted(report["groups"])))
            for launch in LAUNCHES
            for report in self.reports(launch, user).values()
        }
        ((gid, groups),) = found
        return gid, set(groups)

    def test_userAndGroup(self) -> None:
        """C{user:group} has that group, and the supplementary groups of the user."""
        user = users.alpine()
        own = set(os.getgrouplist(user.pw_name, 1))
        self.assertTrue(own - {1, user.pw_gid}, "no supplementary group")
        self.assertEqual(self.groups("alpine, group = daemon"), ("1", own))

    def test_rootAndGroup(self) -> None:
        """C{root:daemon} has the group C{daemon}."""
        own = set(os.getgrouplist("root", 1))
        self.assertEqual(self.groups("root, group = daemon"), ("1", own))


class AddressTests(ProbeTestCase):
    """The addresses in the environment."""

    def addresses(self, protocol: str, host: str) -> list[dict[str, str]]:
        """
        Return what a client finds in the environment, for each launcher.

        Its own port is replaced by C{PORT}.
        """
        found = []
        for launch in LAUNCHES:
            port = freePort()
            conf = (
                f"{port} on protocol = {protocol}, wait = no, user = -, "
                f"launch = {launch}, exec = /usr/bin/env, args = env -0;\n"
            )
            with self.daemon(conf, port):
                client = self.connect(port, host)
                mine = str(client.getsockname()[1])
                texts = readAll(client).decode().split("\0")[:-1]
            env = dict(text.split("=", 1) for text in texts)
            self.assertEqual(env.pop("TCPLOCALPORT"), str(port))
            self.assertEqual(env.pop("TCPREMOTEPORT"), mine)
            self.assertEqual(env.pop("REMOTE_PORT"), mine)
            found.append({key: env[key] for key in _CONNECTION if key in env})
        return found

    def assertAddresses(self, protocol: str, local: str, remote: str) -> None:
        """Assert that a program has the addresses of a socket and its client."""
        expected = {
            "PROTO": "TCP",
            "TCPLOCALIP": local,
            "TCPREMOTEIP": remote,
            "REMOTE_ADDR": remote,
        }
        self.assertEqual(self.addresses(protocol, local), [expected] * 2)

    def test_ipv4(self) -> None:
        """The program of an IPv4 client has its address and that of the socket."""
        self.assertAddresses("tcp", "127.0.0.2", "127.0.0.1")

    def test_ipv6(self) -> None:
        """The program of an IPv6 client has its address."""
        self.assertAddresses("tcp6", "::1", "::1")

    def test_ipv4OnIPv6(self) -> None:
        """The address of an IPv4 client of an IPv6 socket is a plain IPv4 address."""
        self.assertAddresses("tcp46", "127.0.0.1", "127.0.0.1")

    if not os.path.exists("/proc/net/if_inet6"):
        test_ipv6.skip = test_ipv4OnIPv6.skip = "no IPv6"  # type: ignore[attr-defined]
