# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The files of C{contrib/}: the tool for each reads or runs it, if installed.

The files for launchd and for containers are parsed.
"""

from __future__ import annotations

import io
import json
import os
import plistlib
import re
import shutil
import signal
import sys
from collections.abc import Iterator

from dockerfile_parse import DockerfileParser

from inetdtw.cli.main import InetdOptions
from tests.support import checkout
from tests.support.daemon import Daemon, environment, freePort, talk
from tests.support.processes import childrenOf
from tests.support.serving import ServingTestCase, inetd, run

#: Where the files have the command.
_COMMAND = "/usr/local/bin/inetd"


class ContribTestCase(ServingTestCase):
    """A test of some of the files."""

    #: The tools that it needs.
    tools: tuple[str, ...] = ()

    def setUp(self) -> None:
        """Find the tools."""
        super().setUp()
        missing = [tool for tool in self.tools if shutil.which(tool) is None]
        if missing:
            self.skipTest(f"{', '.join(missing)} is not installed")

    def source(self, *names: str) -> str:
        """Return the path of a file of C{contrib/}."""
        return os.path.join(checkout.path(), "contrib", *names)

    def text(self, *names: str) -> str:
        """Return the contents of a file of C{contrib/}."""
        with open(self.source(*names), encoding="utf-8") as file:
            return file.read()

    def command(self) -> str:
        """Return the path of a program that is the C{inetd} command."""
        python, option, code = inetd()
        text = f'#!/bin/sh\nexec {python} {option} "{code}" "$@"\n'
        return self.write("inetd", text, 0o755)

    def well(self, *argv: str) -> str:
        """Return what a tool prints, which must not complain."""
        done = run(argv)
        output = done.stdout + done.stderr
        self.assertEqual(done.returncode, 0, output)
        return output

    def taken(self, *arguments: str) -> InetdOptions:
        """Return the options of an C{inetd} command line."""
        options = InetdOptions()
        options.parseOptions(list(arguments))
        return options


class SystemdTests(ContribTestCase):
    """C{contrib/systemd}."""

    tools = ("systemd-analyze",)

    def units(self) -> list[str]:
        """Copy the units, with the path of a command that exists."""
        command, names = self.command(), sorted(os.listdir(self.source("systemd")))
        return [
            self.write(name, self.text("systemd", name).replace(_COMMAND, command))
            for name in names
        ]

    def test_verified(self) -> None:
        """C{systemd-analyze} accepts the units."""
        units = self.units()
        self.assertEqual(len(units), 3)
        self.assertEqual(self.well("systemd-analyze", "verify", "--man=no", *units), "")

    def test_wrong(self) -> None:
        """C{systemd-analyze} rejects a unit with a misspelt directive."""
        unit = self.write("a.service", "[Service]\nExecStart=/bin/true\nWatchdog=3\n")
        done = run(["systemd-analyze", "verify", "--man=no", unit])
        self.assertIn("Watchdog", done.stderr)

    def test_confined(self) -> None:
        """The service without privileges is exposed to next to nothing."""
        (unit,) = (each for each in self.units() if "unprivileged.service" in each)
        most = "--threshold=20"  # of 100
        self.well("systemd-analyze", "security", "--offline=true", most, unit)

    def test_commands(self) -> None:
        """The command lines stay in the foreground and log to the system log."""
        for name in ("inetd.service", "inetd-unprivileged.service"):
            text = self.text("systemd", name)
            (command,) = re.findall(rf"^ExecStart={_COMMAND} (.*)$", text, re.MULTILINE)
            options = self.taken(*command.split())
            self.assertTrue(options["foreground"])
            self.assertFalse(options["stderr"])


class ScriptTests(ContribTestCase):
    """Shell scripts."""

    tools = ("shellcheck", "openrc-run")

    def test_shell(self) -> None:
        """A POSIX shell takes the scripts, in which shellcheck finds nothing."""
        scripts = [
            self.source(*names)
            for names in (
                ("openrc", "inetd"),
                ("runit", "inetd", "run"),
                ("runit", "inetd", "log", "run"),
                ("s6", "inetd", "run"),
            )
        ]
        self.well("shellcheck", "--shell=sh", *scripts)
        for script in scripts:
            self.well("sh", "-n", script)
            self.assertTrue(os.access(script, os.X_OK), script)

    def test_openrc(self) -> None:
        """OpenRC reads its script, and knows what it can do."""
        output = self.well("openrc-run", self.source("openrc", "inetd"), "describe")
        for word in ("Internet superserver", "checkconfig:", "reload:", "state:"):
            self.assertIn(word, output)

    def test_openrcCommands(self) -> None:
        """The script for OpenRC daemonizes inetd and checks the configuration."""
        conf = self.write(
            "inetd.conf", "127.0.0.1:0 stream tcp nowait - /bin/cat cat\n"
        )
        script = self.source("openrc", "inetd")
        ours = f"RC_SVCNAME=it inetd_conf={conf} inetd_command={self.command()}"
        printed = self.well("sh", "-c", f'{ours}; . {script}; echo "$command_args"')
        options = self.taken(*printed.split())
        self.assertEqual(options["pidfile"], "/run/it.pid")
        self.assertEqual((options["conf"], options["foreground"]), ([conf], 0))
        self.well("sh", "-c", f"{ours}; . {script}; checkconfig")


class SupervisedTests(ContribTestCase):
    """The service directories, run by the supervisors that they are for."""

    tools = ("runsv", "sv", "s6-supervise", "s6-svc")

    def supervised(self, kind: str, supervisor: str, port: int) -> Daemon:
        """Run the superserver under a supervisor."""
        self.command()
        self.service = self.path(kind)
        shutil.copytree(
            self.source(kind, "inetd"),
            self.service,
            ignore=shutil.ignore_patterns("log", "supervise", "event"),
        )
        self.line = f"{port} stream tcp nowait - /bin/cat cat\n"
        conf = self.write("inetd.conf", self.line)
        env = environment(INETD_CONF=conf)
        env["PATH"] = f"{self.directory}:{env['PATH']}"
        return Daemon([supervisor, self.service], ports=[port], env=env)

    def check(self, kind: str, supervisor: str, *reload: str) -> None:
        """Check that a supervisor runs, reloads, restarts and stops the daemon."""
        port, other = freePort(), freePort()
        with self.supervised(kind, supervisor, port) as daemon:
            self.assertEqual(talk(port, b"text"), b"text")
            self.write(
                "inetd.conf", self.line + self.line.replace(str(port), str(other))
            )
            self.well(*reload, self.service)
            daemon.waitForLog("started=1")
            self.assertEqual(talk(other, b"text"), b"text")
            (child,) = childrenOf(daemon.process.pid)
            os.kill(child, signal.SIGKILL)
            daemon.waitForLog(f"listen {port}/tcp ", 2)
            self.assertEqual(talk(port, b"text"), b"text")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(30)
            daemon.waitForLog(f"close {port}/tcp")

    def test_runit(self) -> None:
        """Runit runs its service directory."""
        self.check("runit", "runsv", "sv", "hup")

    def test_s6(self) -> None:
        """s6 runs its service directory."""
        self.check("s6", "s6-supervise", "s6-svc", "-h")


class LaunchdTests(ContribTestCase):
    """C{contrib/launchd}."""

    def test_plist(self) -> None:
        """The file is a property list, with a command line that inetd takes."""
        with open(self.source("launchd", "inetdtw.plist"), "rb") as file:
            found = plistlib.load(file)
        self.assertEqual(found["Label"], "inetdtw")
        command, *arguments = found["ProgramArguments"]
        self.assertEqual(command, _COMMAND)
        options = self.taken(*arguments)
        self.assertTrue(options["foreground"] and options["stderr"])
        self.assertIn("StandardErrorPath", found)


class ContainerTests(ContribTestCase):
    """C{contrib/container}."""

    def test_containerfile(self) -> None:
        """Docker's instructions are read; what they start logs to standard output."""
        text = self.text("container", "Containerfile")
        parser = DockerfileParser(fileobj=io.BytesIO(text.encode()), env_replace=False)
        found = {
            each["instruction"]: each["value"]
            for each in parser.structure
            if each["instruction"] != "COMMENT"
        }
        words = "FROM COPY RUN EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD"
        self.assertEqual(set(found), set(words.split()))
        start = json.loads(found["ENTRYPOINT"]) + json.loads(found["CMD"])
        options = self.taken(*start[1:])
        self.assertEqual(start[0], "inetd")
        self.assertTrue(options["foreground"] and options["stdout"])
        self.assertEqual(options["conf"], ["/etc/inetd.conf"])
        health = found["HEALTHCHECK"].partition("CMD ")[2]
        self.assertEqual(health, "inetd health --live || exit 1")
        for source in self.copied(parser):
            self.assertTrue(os.path.exists(os.path.join(checkout.path(), source)))

    def copied(self, parser: DockerfileParser) -> Iterator[str]:
        """Return the files of the checkout that are copied, without the wheel."""
        for each in parser.structure:
            if each["instruction"] == "COPY" and "*" not in each["value"]:
                yield each["value"].split()[0]

    def test_configuration(self) -> None:
        """The configuration has no errors, and serves the container's ports."""
        conf = self.source("container", "inetd.conf")
        self.well(*inetd("--check", conf))
        served = re.findall(
            r"^(\d+) .* (tcp|udp) ", self.text("container", "inetd.conf"), re.MULTILINE
        )
        text = self.text("container", "Containerfile")
        exposed = re.findall(r"(\d+)/(tcp|udp)", text)
        self.assertEqual(sorted(exposed), sorted(served))

    def test_compose(self) -> None:
        """podman-compose reads the compose file, and finds what it names."""
        self.write("podman", "#!/bin/sh\necho podman version 4.3.1\n", 0o755)
        file = self.source("container", "compose.yaml")
        compose = "import sys; from podman_compose import main; sys.exit(main())"
        env = environment()
        env["PATH"] = f"{self.directory}:{env['PATH']}"
        done = run([sys.executable, "-c", compose, "-f", file, "config"], env)
        self.assertEqual(done.returncode, 0, done.stderr)
        for text in ("contrib/container/Containerfile", "13:13/tcp", "read_only: true"):
            self.assertIn(text, done.stdout)
        dockerfile = os.path.join(checkout.path(), "contrib/container/Containerfile")
        self.assertTrue(os.path.exists(dockerfile))
