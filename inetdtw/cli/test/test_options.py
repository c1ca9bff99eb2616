# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.options}."""

from __future__ import annotations

import contextlib
import io
import os

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli.options import ServiceOptions
from inetdtw.model.service import Bounds, Settings


class OptionsTests(SynchronousTestCase):
    """Tests for L{ServiceOptions}."""

    def options(self, *arguments: str) -> ServiceOptions:
        """Return the options of a command line."""
        options = ServiceOptions()
        options.parseOptions(list(arguments))
        return options

    def error(self, *arguments: str) -> str:
        """Return the error in a command line."""
        return str(self.assertRaises(UsageError, self.options, *arguments))

    def test_defaults(self) -> None:
        """The defaults are /etc/inetd.conf, a backlog of 128 and fork servers."""
        options = self.options()
        self.assertEqual(options["conf"], ["/etc/inetd.conf"])
        self.assertEqual(
            [options[name] for name in ("backlog", "rate", "launch", "successes")],
            [128, 0, "forkserver", 0],
        )

    def test_given(self) -> None:
        """Options override the defaults, also by short names."""
        options = self.options("-q", "5", "-R", "40", "-l", "--launch", "direct")
        self.assertEqual(
            [options[name] for name in ("backlog", "rate", "launch", "successes")],
            [5, 40, "direct", 1],
        )

    def test_conf(self) -> None:
        """Several files can be given; their paths become absolute."""
        options = self.options("--conf", "one.conf", "--conf", "/two")
        paths = [os.path.join(os.getcwd(), "one.conf"), "/two"]
        self.assertEqual(options["conf"], paths)

    def test_files(self) -> None:
        """Files and directories can be arguments, as for inetd(8)."""
        here = os.getcwd()
        options = self.options("--conf", "a", "b", "/c")
        self.assertEqual(options["conf"], [f"{here}/a", f"{here}/b", "/c"])

    def test_order(self) -> None:
        """Options can follow files; after C{--} every word is a file."""
        options = self.options("/a", "-q", "5", "/b", "-l", "--launch=direct")
        self.assertEqual(options["conf"], ["/a", "/b"])
        self.assertEqual(
            [options[name] for name in ("backlog", "launch", "successes")],
            [5, "direct", 1],
        )
        self.assertEqual(self.options("/a", "--", "/-q")["conf"], ["/a", "/-q"])
        self.assertIn("-Z", self.error("/a", "-Z"))

    def test_noNumber(self) -> None:
        """The error for a wrong number names the option and the range."""
        for option, low, high in (
            *(("-q", 0, 65536), ("-R", 0, 32767), ("-c", 0, 32767)),
            *(("-C", 0, 32767), ("-s", 0, 32767), ("--pause", 1, 86400)),
            ("--max-children", 0, 1 << 22),
        ):
            for bad in ("many", str(low - 1), str(high + 1)):
                self.assertEqual(
                    self.error(option, bad),
                    f"{option} takes a number from {low} to {high}, not '{bad}'",
                )

    def test_settings(self) -> None:
        """The options of FreeBSD's inetd, and --pause, set defaults of services."""
        arguments = (
            *("-c", "1", "-C", "2", "-s", "3", "-R", "4", "--pause", "5"),
            *("-a", "host"),
        )
        wanted = Settings(bounds=Bounds(1, 4, 2, 3, 5), bind=("host",))
        self.assertEqual(self.options(*arguments).settings(), wanted)
        self.assertEqual(self.options().settings(), Settings())

    def test_sourcePrefix(self) -> None:
        """The prefix lengths and the answer limit set defaults of services."""
        options = self.options("--per-source-prefix", "24/56")
        self.assertEqual(options.settings().bounds, Bounds(sourcePrefix=(24, 56)))
        options = self.options("--answer-max", "0")
        self.assertEqual(options.settings().bounds, Bounds(answerMax=0))
        self.assertEqual(
            self.error("--per-source-prefix", "64"),
            "--per-source-prefix: '64' is not two prefix lengths (such as 32/64)",
        )

    def test_check(self) -> None:
        """--check prints the errors, and its exit status says if there are any."""
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write("7 stream tcp nowait root internal\n7 steam\n")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            left = self.assertRaises(SystemExit, self.options, "--check", path)
        self.assertEqual(left.code, 1)
        self.assertIn(f"{path}:2:3: protocol: is missing", output.getvalue())
        for text, code in (("7 stream tcp nowait root internal\n", 0), ("# 7\n", 1)):
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
            with contextlib.redirect_stdout(output):
                left = self.assertRaises(SystemExit, self.options, "--check", path)
            self.assertEqual(left.code, code)

    def test_explain(self) -> None:
        """--explain prints a service with the defaults of the command line."""
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as file:
            file.write("7 stream tcp nowait root internal\n")
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            arguments = ("--explain", "7/tcp", "-c", "5", path)
            left = self.assertRaises(SystemExit, self.options, *arguments)
        self.assertEqual(left.code, 0)
        self.assertIn("    accept_max = 5,\n", output.getvalue())
        with contextlib.redirect_stderr(output):
            left = self.assertRaises(SystemExit, self.options, "--explain", "8", path)
        self.assertEqual(left.code, 1)
        self.assertIn("'8' is not a service (7/tcp)", output.getvalue())

    def test_separate(self) -> None:
        """Two command lines do not share any value."""
        self.options("--conf", "/one")
        self.assertEqual(self.options("--conf", "/two")["conf"], ["/two"])

    def test_numbers(self) -> None:
        """A wrong number is an error with the accepted range."""
        for option, most in (("--backlog", 65536), ("--rate", 32767)):
            for value in ("x", "-1", str(most + 1), "1.5", ""):
                self.assertIn(f"from 0 to {most}", self.error(option, value))
            self.options(option, str(most))

    def test_address(self) -> None:
        """An empty address is an error."""
        self.assertIn("* is every address", self.error("-a", ""))
        self.assertEqual(self.options("-a", "::1").settings().bind, ("::1",))

    def test_serviceStderr(self) -> None:
        """The destination of standard error is one of three, or the usual one."""
        self.assertEqual(self.options().settings().stderr, None)
        for word in ("socket", "log", "null"):
            options = self.options("--service-stderr", word)
            self.assertEqual(options.settings().stderr, word)
        wrong = self.error("--service-stderr", "")
        self.assertIn("'' is unknown (socket, log, null)", wrong)

    def test_launch(self) -> None:
        """Another launch method is an error."""
        self.assertIn("forkserver, direct", self.error("--launch", "magic"))

    def test_log(self) -> None:
        """The log level is notice by default; -l makes it info."""
        names = ("log-level", "log-addresses")
        for arguments, wanted in (
            ((), ("notice", "full")),
            (("-l",), ("info", "full")),
            (("--log-level", "error", "-l"), ("info", "full")),
            (("--log-level", "debug", "-l"), ("debug", "full")),
            (("--log-level=warn", "--log-addresses=none"), ("warn", "none")),
        ):
            options = self.options(*arguments)
            self.assertEqual(tuple(options[name] for name in names), wanted)
        self.assertIn("error, warn, notice", self.error("--log-level", "loud"))
        self.assertIn("full, prefix, none", self.error("--log-addresses", "some"))

    def test_help(self) -> None:
        """The help has all options with their arguments."""
        text = str(ServiceOptions())
        for word in ("--conf", "--backlog", "--rate", "--launch", "--successes"):
            self.assertIn(word, text)
        self.assertIn("0 to 65536", text)
