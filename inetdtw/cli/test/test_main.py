# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.main}."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from twisted.logger import Logger, LogPublisher
from twisted.python.usage import UsageError
from twisted.scripts._twistd_unix import UnixApplicationRunner
from twisted.trial.unittest import SynchronousTestCase

from inetdtw import NothingToServe, __version__
from inetdtw.cli import main, service
from inetdtw.log import observers
from inetdtw.system.pidfile import PidFileError


def optionsOf(*arguments: str) -> main.InetdOptions:
    """Return the options of a command line."""
    options = main.InetdOptions()
    options.parseOptions(list(arguments))
    return options


class OptionsTests(SynchronousTestCase):
    """Tests for L{InetdOptions}."""

    def setUp(self) -> None:
        """Pretend to be root, whatever user runs the test."""
        self.patch(os, "geteuid", lambda: 0)

    def flags(self, *arguments: str) -> tuple[int, int, int]:
        """Return whether it is in the foreground, logs to stderr, and logs all."""
        options = optionsOf(*arguments)
        return tuple(options[name] for name in ("foreground", "stderr", "successes"))

    def test_files(self) -> None:
        """Files are arguments, and may be given by the option as well."""
        options = optionsOf("--conf", "/one", "/two", "./three")
        three = os.path.join(os.getcwd(), "three")
        self.assertEqual(options["conf"], ["/one", "/two", three])
        self.assertEqual(optionsOf()["conf"], ["/etc/inetd.conf"])

    def test_command(self) -> None:
        """A word that resembles a command, and is not a file, is an error."""
        for words, meant in (
            (("-f", "status"), "status"),
            (("staus",), "status"),
            (("/file", "pauze"), "pause"),
            (("relaod",), "reload"),
        ):
            why = self.assertRaises(UsageError, optionsOf, *words)
            wanted = f"is not a file: did you mean the command 'inetd {meant}'?"
            self.assertEqual(str(why), f"'{words[-1]}' {wanted}")
        for words in (("start",), ("-f", "restart"), ("/file", "logs")):
            why = self.assertRaises(UsageError, optionsOf, *words)
            self.assertIn(f"'{words[-1]}' is not a command: ", str(why))
        why = self.assertRaises(UsageError, optionsOf, "upgrade")
        self.assertEqual(str(why), "'upgrade' is neither a command nor a file")
        for file in ("./status", "./upgrade", "./test", "status.conf"):
            self.assertEqual(optionsOf(file)["conf"], [os.path.abspath(file)])
        self.patch(os.path, "lexists", lambda name: True)
        self.assertEqual(optionsOf("status")["conf"], [os.path.abspath("status")])

    def test_foreground(self) -> None:
        """-f, -i and -d stay in the foreground; -e and -d log to stderr."""
        self.assertEqual(self.flags(), (0, 0, 0))
        self.assertEqual(self.flags("-f"), (1, 0, 0))
        self.assertEqual(self.flags("-i"), (1, 0, 0))
        self.assertEqual(self.flags("-fe"), (1, 1, 0))
        self.assertEqual(self.flags("-d"), (1, 1, 1))
        self.assertEqual(self.flags("-l"), (0, 0, 1))

    def test_stderrOfDaemon(self) -> None:
        """Logging to stderr or stdout without the foreground is an error."""
        for option in ("-e", "--stdout"):
            why = self.assertRaises(UsageError, optionsOf, option)
            self.assertIn(f"{option} needs -f", str(why))

    def test_oneStream(self) -> None:
        """Two destinations of the log are an error."""
        for option in ("-fe", "-d"):
            why = self.assertRaises(UsageError, optionsOf, option, "--stdout")
            self.assertIn("--stdout cannot be combined with", str(why))

    def test_numbers(self) -> None:
        """The backlog and the rate are the same as for C{twistd inetd}."""
        options = optionsOf("-q", "10", "-R", "20")
        self.assertEqual((options["backlog"], options["rate"]), (10, 20))
        self.assertRaises(UsageError, optionsOf, "-q", "many")

    def test_pidFile(self) -> None:
        """Only root's daemon in the background has a pid file by default."""
        self.assertEqual(optionsOf()["pidfile"], "/var/run/inetd.pid")
        self.assertEqual(optionsOf("-f")["pidfile"], "")
        self.assertEqual(optionsOf("-f", "-p", "/pid")["pidfile"], "/pid")
        self.assertEqual(optionsOf("-p", "")["pidfile"], "")
        self.patch(os, "geteuid", lambda: 1000)
        self.assertEqual(optionsOf()["pidfile"], "")

    def test_version(self) -> None:
        """The version is this package's."""
        output = io.StringIO()
        self.patch(sys, "stdout", output)
        why = self.assertRaises(SystemExit, optionsOf, "--version")
        self.assertEqual(why.code, 0)
        self.assertIn(__version__, output.getvalue())

    def test_help(self) -> None:
        """The help has all options."""
        text = str(main.InetdOptions())
        for option in ("-f", "-e", "-d", "-l", "-q", "-R", "-p", "-i"):
            self.assertIn(option, text)


class Lines:
    """A stream that keeps what is written, line by line."""

    def __init__(self, lines: list[str]) -> None:
        """@param lines: collects the lines."""
        self._lines = lines

    def write(self, text: str) -> None:
        """Keep a line."""
        self._lines += text.splitlines()

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""


class TwistdConfigTests(SynchronousTestCase):
    """Tests for L{twistdConfig}."""

    def config(self, *arguments: str) -> Any:
        """Return the configuration of twistd for a command line."""
        return main.twistdConfig(optionsOf(*arguments))

    def written(self, config: Any) -> list[str]:
        """Return the stream that a log line is written to, and the line."""
        seen: list[str] = []
        system: list[str] = []
        streams = {name: io.StringIO() for name in ("stderr", "stdout")}
        self.patch(
            observers, "systemLogger", lambda: lambda _, text: system.append(text)
        )
        for name, stream in streams.items():
            self.patch(sys, name, stream)
        log = Logger(namespace="test", observer=LogPublisher(config["logger"]()))
        log.info("hello")
        texts = {name: stream.getvalue() for name, stream in streams.items()}
        for name, text in {"syslog": "".join(system), **texts}.items():
            if text:
                kind = " json" if text.startswith("{") else ""
                self.assertIn("hello", text)
                seen.append(name + kind)
        return seen

    def test_daemon(self) -> None:
        """In the background, the daemon has the directory /, umask 022 and syslog."""
        config = self.config("-p", "/pid", "/file")
        self.assertFalse(config["nodaemon"])
        self.assertEqual(config["pidfile"], "")
        self.assertEqual((config["rundir"], config["umask"]), ("/", 0o022))
        self.assertTrue(config["no_save"])
        self.assertEqual(self.written(config), ["syslog"])

    def test_foreground(self) -> None:
        """In the foreground, the daemon logs to the stream of the options."""
        config = self.config("-f", "/file")
        self.assertTrue(config["nodaemon"])
        self.assertEqual(self.written(config), ["syslog"])
        self.assertEqual(self.written(self.config("-fe", "/file")), ["stderr"])
        config = self.config("-f", "--stdout", "/file")
        self.assertEqual(self.written(config), ["stdout"])

    def test_json(self) -> None:
        """The log can be JSON with every destination."""
        for options, where in (
            (["-f"], "syslog"),
            (["-fe"], "stderr"),
            (["-f", "--stdout"], "stdout"),
        ):
            config = self.config(*options, "--log-format", "json", "/file")
            self.assertEqual(self.written(config), [f"{where} json"])

    def test_level(self) -> None:
        """The log level applies to events of other modules, too."""
        for arguments, wanted in (
            ((), "info warn error"),
            (("--log-level", "error"), "error"),
            (("--log-level", "warn"), "warn error"),
            (("-l",), "info warn error"),
            (("-d",), "debug info warn error"),
        ):
            seen: list[str] = []
            send = lambda _, text, seen=seen: seen.append(text)  # noqa: E731
            self.patch(observers, "systemLogger", lambda send=send: send)
            observer = self.config("-f", *arguments, "/file")["logger"]()
            self.patch(sys, "stderr", Lines(seen))
            if "-d" in arguments:
                observer = self.config(*arguments, "/file")["logger"]()
            log = Logger(namespace="test", observer=LogPublisher(observer))
            for level in ("debug", "info", "warn", "error"):
                getattr(log, level)(level)
            self.assertEqual(" ".join(line.split()[-1] for line in seen), wanted)

    def test_service(self) -> None:
        """The service that twistd runs has the options."""
        path = os.path.abspath(self.mktemp())
        with open(path, "w") as file:
            file.write("127.0.0.1:0 stream tcp nowait - internal echo\n")
        for name in ("handleSignals", "unblockStreams", "unblockSyslog"):
            self.patch(service, name, lambda *given: None)
        config = self.config("-f", path)
        self.assertEqual(config.subCommand, "inetd")
        maker = config.loadedPlugins[config.subCommand]
        made = maker.makeService(config.subOptions)
        self.assertEqual(config.subOptions["conf"], [path])
        inetd = made.getServiceNamed("inetd")
        self.assertEqual(len(inetd.configuration.services), 1)


class MainTests(SynchronousTestCase):
    """Tests for L{main}."""

    def setUp(self) -> None:
        """Replace the runner of twistd."""
        self.ran: list[Any] = []
        self.failure: BaseException | None = None

        def run(runner: Any) -> None:
            self.ran.append(runner.config)
            if self.failure is not None:
                raise self.failure

        self.patch(UnixApplicationRunner, "run", run)

    def main(self, *arguments: str) -> None:
        """Run a command line."""
        self.patch(sys, "argv", ["inetd", *arguments])
        main.main()

    def test_run(self) -> None:
        """The runner gets the configuration of the command line."""
        self.main("-f", "/file")
        (config,) = self.ran
        self.assertTrue(config["nodaemon"])
        self.assertEqual(config.subOptions["conf"], ["/file"])

    def test_noPidFileInTheEnd(self) -> None:
        """If the pid file cannot be written, the exit status is 1."""
        self.failure = PidFileError("the pid file 'x': cannot be written: File exists")
        output = io.StringIO()
        self.patch(sys, "__stderr__", output)
        why = self.assertRaises(SystemExit, self.main, "-f", "/file")
        self.assertEqual(why.code, 1)
        wanted = f"inetd: {self.failure}; use -p for another path\n"
        self.assertEqual(output.getvalue(), wanted)

    def test_usage(self) -> None:
        """A wrong command line draws a message, and the exit status is 2."""
        output = io.StringIO()
        self.patch(sys, "stderr", output)
        why = self.assertRaises(SystemExit, self.main, "--nonsense")
        self.assertEqual(why.code, 2)
        self.assertIn("nonsense", output.getvalue())
        self.assertIn("inetd --help", output.getvalue())
        self.assertEqual(self.ran, [])

    def test_noPidFile(self) -> None:
        """If the pid file cannot be claimed, nothing is run."""
        output = io.StringIO()
        self.patch(sys, "__stderr__", output)
        why = self.assertRaises(SystemExit, self.main, "-p", "/no/such/pid", "/file")
        self.assertEqual(why.code, 1)
        self.assertIn(
            "'/no/such/pid': no such directory: '/no/such'", output.getvalue()
        )
        self.assertEqual(self.ran, [])

    def test_running(self) -> None:
        """If the pid file is that of a running process, nothing is run."""
        output = io.StringIO()
        self.patch(sys, "__stderr__", output)
        path, pid = self.mktemp(), os.getpid()
        with open(path, "w", encoding="ascii") as file:
            file.write(str(pid))
        self.patch(os, "getpid", lambda: pid + 1)
        why = self.assertRaises(SystemExit, self.main, "-p", path, "/file")
        self.assertEqual((why.code, self.ran), (1, []))
        self.assertEqual(
            output.getvalue(),
            f"inetd: the pid file '{path}': process {pid} is running: remove the "
            "file if it is not inetd; use -p for another path\n",
        )
        self.patch(os, "getpid", lambda: pid)
        self.main("-p", path, "/file")
        self.assertEqual(len(self.ran), 1)

    def test_wrongOption(self) -> None:
        """An option that the service rejects is an error of the command line."""
        output = io.StringIO()
        self.patch(sys, "__stderr__", output)
        self.failure = service.OptionError("inetd: --metrics: it is wrong")
        why = self.assertRaises(SystemExit, self.main, "-f", "/file")
        self.assertEqual(why.code, 2)
        self.assertEqual(
            output.getvalue(),
            "inetd: --metrics: it is wrong\nTry 'inetd --help'.\n",
        )

    def test_nothing(self) -> None:
        """The error for a configuration without services names the log."""
        output = io.StringIO()
        self.patch(sys, "__stderr__", output)
        self.failure = NothingToServe("nothing to serve in /file")
        for options, where in (
            (["-f"], "see the system log, or run with -f -e"),
            (["-f", "-e"], "see above"),
        ):
            why = self.assertRaises(SystemExit, self.main, *options, "/file")
            self.assertEqual(why.code, 1)
            wanted = "inetd: nothing to serve in /file; "
            self.assertEqual(output.getvalue(), f"{wanted}{where}\n")
            output.truncate(0)
            output.seek(0)
