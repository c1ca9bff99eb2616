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
    """Tests for what all programs of a service get."""

    def test_own(self) -> None:
        """A program of the daemon's own user gets the daemon's environment."""
        environ = {**HARMLESS, **NOT_SHARED, "PATH": "/bin", "LD_PRELOAD": "x"}
        self.assertEqual(base(environ, None), environ)

    def test_copy(self) -> None:
        """What a service gets is its own: changing it changes nobody else's (item 42)."""
        environ = {"LANG": "C"}
        base(environ, None)["X"] = "1"
        self.assertEqual(environ, {"LANG": "C"})
        self.assertEqual(base(environ, None), environ)

    def test_passed(self) -> None:
        """
        With C{passenv} a program gets the variables of these names that there are,
        whatever they are about, and no others; C{env} adds to them.
        """
        environ = {"PATH": "/bin", "LANG": "C", "LD_PRELOAD": "x"}
        says = EnvironmentSpec(
            (("TZ", "UTC"), ("LANG", "de")), ("PATH", "LANG", "NONE")
        )
        wanted = {"PATH": "/bin", "LANG": "de", "TZ": "UTC"}
        self.assertEqual(base(environ, None, says), wanted)
        self.assertEqual(base(environ, None, EnvironmentSpec(passed=())), {})
        self.assertEqual(
            base(environ, ALPINE, EnvironmentSpec(passed=("LD_PRELOAD",)))[
                "LD_PRELOAD"
            ],
            "x",
        )

    def test_added(self) -> None:
        """
        What C{env} says goes before the daemon's environment and before what the
        user brings along.
        """
        says = EnvironmentSpec((("HOME", "/x"), ("LANG", "")))
        found = base({"LANG": "C", "TZ": "UTC"}, ALPINE, says)
        self.assertEqual((found["HOME"], found["LANG"]), ("/x", ""))
        self.assertEqual((found["USER"], found["TZ"]), ("alpine", "UTC"))

    def test_activation(self) -> None:
        """What concerns the daemon alone goes to nobody."""
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
        What tells of a connection, such as that of a daemon that was started by
        another one, goes to nobody (items 42 and 45).
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
        A program of another user does not get the daemon's PATH but that of a login,
        unless the line says otherwise.
        """
        environ = {"PATH": "/root/bin"}
        for says, wanted in (
            (EnvironmentSpec(), PATH),
            (EnvironmentSpec((("PATH", "/x"),)), "/x"),
            (EnvironmentSpec((), ("PATH",)), "/root/bin"),
            (EnvironmentSpec((), ()), None),
        ):
            self.assertEqual(base(environ, ALPINE, says).get("PATH"), wanted)

    def test_builtUp(self) -> None:
        """
        A program of another user gets the time zone and the locale of the daemon's
        environment, and nothing else, whatever it is called.
        """
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
