# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.environment}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.process import Login
from inetdtw.model.service import EnvironmentSpec
from inetdtw.serve.environment import NOTHING, PATH, base

ALPINE = Login("alpine", "/home/alpine", "/bin/ash")
#: Variables that any program may have.
HARMLESS = {"LANG": "C", "TZ": "UTC", "LC_ALL": "C", "LC_TIME": "C"}
#: Variables that programs of another user have no use for.
NOT_SHARED = {"XPATH": "/x", "MYHOME": "/m", "LISTEN": "no", "LC": "C", "XLANG": "C"}


class BaseTests(SynchronousTestCase):
    """Tests for L{base}."""

    def test_own(self) -> None:
        """A program of the daemon's own user gets the daemon's environment."""
        environ = {**HARMLESS, **NOT_SHARED, "PATH": "/bin", "LD_PRELOAD": "x"}
        self.assertEqual(base(environ, None), environ)

    def test_copy(self) -> None:
        """The environment of a service is a copy of its own (item 42)."""
        environ = {"LANG": "C"}
        base(environ, None)["X"] = "1"
        self.assertEqual(environ, {"LANG": "C"})
        self.assertEqual(base(environ, None), environ)

    def test_passed(self) -> None:
        """
        With C{passenv} a program has these variables, and C{env} adds to them.

        It has no others.
        """
        environ = {"PATH": "/bin", "LANG": "C", "LD_PRELOAD": "x"}
        spec = EnvironmentSpec(
            (("TZ", "UTC"), ("LANG", "de")), ("PATH", "LANG", "NONE")
        )
        wanted = {"PATH": "/bin", "LANG": "de", "TZ": "UTC"}
        self.assertEqual(base(environ, None, spec), wanted)
        self.assertEqual(base(environ, None, EnvironmentSpec(passed=())), {})
        self.assertEqual(
            base(environ, ALPINE, EnvironmentSpec(passed=("LD_PRELOAD",)))[
                "LD_PRELOAD"
            ],
            "x",
        )

    def test_added(self) -> None:
        """C{env} overrides the daemon's environment and the user's variables."""
        spec = EnvironmentSpec((("HOME", "/x"), ("LANG", "")))
        found = base({"LANG": "C", "TZ": "UTC"}, ALPINE, spec)
        self.assertEqual((found["HOME"], found["LANG"]), ("/x", ""))
        self.assertEqual((found["USER"], found["TZ"]), ("alpine", "UTC"))

    def test_activation(self) -> None:
        """No program gets variables of the daemon alone."""
        environ = dict.fromkeys(
            (
                *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET"),
                *("WATCHDOG_USEC", "WATCHDOG_PID"),
            ),
            "1",
        )
        for login in (None, ALPINE):
            self.assertEqual(set(base(environ, login)) & set(environ), set())

    def test_connection(self) -> None:
        """
        No program gets variables of a connection of the daemon (items 42 and 45).

        Another superserver may have started the daemon for one.
        """
        names = (
            *("PROTO", "TCPLOCALIP", "TCPLOCALPORT", "TCPLOCALHOST", "TCPREMOTEIP"),
            *("TCPREMOTEPORT", "TCPREMOTEHOST", "TCPREMOTEINFO", "REMOTE_ADDR"),
            *("REMOTE_PORT", "REMOTE_HOST"),
        )
        self.assertEqual(base(dict.fromkeys(names, "evil"), None), {})

    def test_login(self) -> None:
        """A program of another user gets that user's variables."""
        found = base({"USER": "root", "HOME": "/root", "SHELL": "/bin/sh"}, ALPINE)
        self.assertEqual(
            found,
            {
                "USER": "alpine",
                "LOGNAME": "alpine",
                "HOME": "/home/alpine",
                "SHELL": "/bin/ash",
                "PATH": "/usr/local/bin:/usr/bin:/bin",
            },
        )

    def test_path(self) -> None:
        """
        A program of another user has the PATH of a login, not the daemon's.

        The line may say otherwise.
        """
        environ = {"PATH": "/root/bin"}
        for spec, wanted in (
            (EnvironmentSpec(), PATH),
            (EnvironmentSpec((("PATH", "/x"),)), "/x"),
            (EnvironmentSpec((), ("PATH",)), "/root/bin"),
            (EnvironmentSpec((), ()), None),
        ):
            self.assertEqual(base(environ, ALPINE, spec).get("PATH"), wanted)

    def test_builtUp(self) -> None:
        """A program of another user gets time zone and locale of the daemon only."""
        names = (
            *("CVSROOT", "DISPLAY", "EDITOR", "GROUP", "IFS", "LD_PRELOAD"),
            *("LD_LIBRARY_PATH", "MAIL", "PATH", "PRINTER", "PWD", "SHLVL"),
            *("SSH_AUTH_SOCK", "TERM", "TERMCAP", "TMP", "TMPDIR", "VISUAL"),
            *("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "XAUTHORITY", "OLDPWD"),
            *("KRB5CCNAME", "SUDO_USER", "JOURNAL_STREAM", "MAINPID", "INETD_CONTROL"),
            *("INVOCATION_ID", "PYTHONPATH", "BASH_ENV", "LANGUAGE", *NOT_SHARED),
        )
        found = base({**HARMLESS, **dict.fromkeys(names, "evil")}, ALPINE)
        self.assertNotIn("evil", found.values())
        self.assertEqual({name: found[name] for name in HARMLESS}, HARMLESS)
        self.assertEqual(len(found), len(HARMLESS) + 5)

    def test_nothing(self) -> None:
        """The empty environment stays empty."""
        with self.assertRaises(TypeError):
            NOTHING["X"] = "1"  # type: ignore[index] # it is the test
        self.assertEqual(dict(NOTHING), {})
