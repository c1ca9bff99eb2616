# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Where a warm process looks for modules before a client connects.

It looks where a cold start of an empty script does, and in the standard library.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache

from tests.support.daemon import Daemon, environment, freePort, talk, twistd
from tests.support.interpreters import pythons
from tests.support.warmservice import INFO, WarmTestCase

#: What is in a file that has the name of a module of the standard library.
_HOSTILE = (
    "with open({mark!r}, 'a') as file: file.write(__name__ + ' ' + __file__ + ' ')\n"
)
_MODULES = "import sys; print(sorted(sys.modules), file=sys.stdout)"
#: What strace is to write down.
_TRACE = ["-qq", "-s", "4096", "-e", "trace=%file"]
#: A path in a line of strace, and what was done with it.
_LOOKED = re.compile(r'^(\w+)\([^"]*"((?:[^"\\]|\\.)*)"')


def names() -> set[str]:
    """Return the names of all modules of the standard library, of all versions."""
    found = set(getattr(sys, "stdlib_module_names", ()))
    for python in pythons().values():
        code = "import os, sys; print(os.path.dirname(os.__file__))"
        directory = _outputOf(python, "-S", "-c", code).strip()
        found.update(each.partition(".")[0] for each in os.listdir(directory))
        found.update(_outputOf(python, "-S", "-c", _BUILTIN).split())
    return {each for each in found if each.isidentifier() and each != "__main__"}


_BUILTIN = "import sys; print(*sys.builtin_module_names)"


def _outputOf(*argv: str) -> str:
    """Return the output of a command, without variables for Python."""
    env = {"PATH": os.defpath}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    return done.stdout


class PathTestCase(WarmTestCase):
    """
    A test case with directories of modules named like the standard library's.

    They are a working directory, one of PYTHONPATH, and the user's own packages.
    """

    def setUp(self) -> None:
        """Make them."""
        super().setUp()
        self.mark = self.path("mark")
        self.names = names()
        for name in ("work", "script", "path", "home"):
            os.mkdir(self.path(name), 0o755)
        self.fill("work", self.names)
        self.write("script/script.py", "print('served')\n")
        self.write("script/empty.py", "")
        # They are modules that could be shared, if they were the library's.
        self.write("script/imports.py", "import json, string, textwrap\n")
        # What a cold start would import from there too.
        own: set[str] = {"sitecustomize", "usercustomize"}
        for version, python in pythons().items():
            directory = f"home/.local/lib/python{version}/site-packages"
            os.makedirs(self.path(directory))
            self.fill(directory, self.names)
            own.update(re.findall(r"\w+", _outputOf(python, "-c", _MODULES)))
        self.fill("path", self.names - own)
        # And what it looks for there as a name that is another system's.
        for python in pythons().values():
            self.cold(python)
        for name in set(self.marks().split()[0::2]):
            for directory, _, found in os.walk(self.directory):
                if f"{name}.py" in found:
                    os.remove(os.path.join(directory, f"{name}.py"))
        self.write("mark", "")

    def cold(self, python: str, *before: str) -> None:
        """
        Start a script that does nothing with what is hostile.

        @param before: what the command begins with.
        """
        path, home = self.path("path"), self.path("home")
        env = {"PYTHONPATH": path, "PYTHONUSERBASE": f"{home}/.local", "HOME": home}
        argv = [*before, python, self.path("script/empty.py")]
        env = {**self.hostile(), **env}
        subprocess.run(argv, cwd=self.path("work"), env=env, check=True)

    def marks(self) -> str:
        """Return which modules were imported, and from where."""
        if not os.path.exists(self.mark):
            return ""
        with open(self.mark) as file:
            return file.read()

    def fill(self, directory: str, wanted: set[str]) -> None:
        """Write modules that report which process imports them."""
        text = _HOSTILE.format(mark=self.mark)
        first = None
        for name in wanted:
            path = self.path(f"{directory}/{name}.py")
            if first is None:
                first = self.write(f"{directory}/{name}.py", text)
            else:
                os.link(first, path)

    def hostile(self) -> dict[str, str]:
        """Return the variables that lead to these directories."""
        env = environment()
        env.pop("PYTHONUNBUFFERED", None)
        return {**env, "PATH": os.environ.get("PATH", os.defpath)}

    def keys(self) -> str:
        """Return what the definition of a service has besides."""
        path, home = self.path("path"), self.path("home")
        env = f"env = PYTHONPATH={path} PYTHONUSERBASE={home}/.local HOME={home}"
        return f", directory = {self.path('work')}, {env}"

    def services(self) -> str:
        """Return services for all interpreters and forms of programs."""
        script, imports = map(self.path, ("script/script.py", "script/imports.py"))
        self.ports: dict[str, int] = {}
        lines = []
        for version, python in pythons().items():
            code, module = "-c print('served')", "-m served"
            for form in (script, code, module, f"-u {script}", imports):
                preload = ", preload = auto" if form.startswith("-u") else ""
                port = self.ports[f"{version} {form}"] = freePort()
                service = f"127.0.0.1:{port}"
                args, given = f"{python} {form}", {"exec": python, "service": service}
                lines.append(self.definition(args, self.keys() + preload, **given))
        return "".join(lines)


class RunTests(PathTestCase):
    """Modules that are executed."""

    def test_nothing(self) -> None:
        """
        No module of the directories is imported before a client connects.

        A script that imports nothing imports none of them, and what another imports is
        imported for each of its clients.
        """
        conf = self.services()
        daemon = self.daemon(
            conf, *self.ports.values(), options=INFO, env=self.hostile()
        )
        with daemon:
            daemon.waitForLog("warm-ready ", len(self.ports))
            self.assertEqual(self.marks(), "")
            for form, port in self.ports.items():
                if "script.py" in form:
                    self.assertEqual((form, talk(port, b"")), (form, b"served\n"))
            self.assertEqual(self.marks(), "")
            daemon.waitForLog("start=", 2 * len(pythons()))
            self.assertNotIn("start=cold", daemon.log())
            for form, port in self.ports.items():
                if "imports.py" in form:
                    self.write("mark", "")
                    talk(port, b"")
                    wanted = f"json {self.path('path/json.py')} "
                    self.assertTrue(self.marks().startswith(wanted), self.marks())


@cache
def _canTrace() -> bool:
    """Return whether strace(1) is installed and permitted."""
    try:
        argv = ["strace", "-f", "-o", os.devnull, "true"]
        return subprocess.run(argv, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class TraceTests(PathTestCase):
    """Paths that are looked up, by strace(1)."""

    if not (shutil.which("strace") and _canTrace()):
        skip = "strace is not installed, or not permitted"

    def test_nowhere(self) -> None:
        """
        No files are looked up but those of a cold start and of the script.

        It is so with every interpreter; the standard library is allowed.
        """
        conf = self.write("inetd.conf", self.services())
        trace = self.path("trace")
        argv = ["strace", "-D", "-ff", *_TRACE, "-o", trace]
        run = twistd("inetd", "--conf", conf, *INFO)
        # What is measured writes down which lines it runs.
        env = self.hostile()
        env.pop("COVERAGE_PROCESS_CONFIG", None)
        daemon = Daemon([*argv, *run], ports=self.ports.values(), env=env)
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("warm-ready ", len(self.ports))
        found = self.traced()
        self.assertEqual(len(found), len(self.ports))
        for python, looked in found:
            self.assertEqual((python, self.strange(python, looked)), (python, []))

    def traced(self) -> list[tuple[str, set[str]]]:
        """Return the path of each warm process, and the paths it looked up."""
        found = []
        for name in os.listdir(self.directory):
            if not name.startswith("trace."):
                continue
            with open(self.path(name), errors="replace") as file:
                lines = file.read()
            for python in pythons().values():
                begin = lines.rfind(f'execve("{python}", [')
                if begin >= 0 and '"/dev/fd/0"' in lines[begin:].partition("\n")[0]:
                    found.append((python, looked(lines[begin:])))
        return found

    def strange(self, python: str, found: set[str]) -> list[str]:
        """Return what of all that an interpreter has looked at is strange."""
        cold = self.path("cold")
        self.cold(python, "strace", *_TRACE, "-o", cold)
        with open(cold, errors="replace") as file:
            usual = looked(file.read())
        code = "import os, sys; print(os.path.dirname(os.__file__), sys.executable)"
        library, executable = _outputOf(python, "-S", "-c", code).split()
        parts = self.path("script/script.py").split("/")
        way = {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}
        way.add(self.path("script/imports.py"))
        work = self.path("work")
        known = {*usual, *way, executable, work, ".", "/dev/fd/0", "/dev/null"}
        # Where the program on descriptor 0 would be, if it had a place.
        known.add("/memfd:inetdtw (deleted)")
        # fork(2) of 3.12 and newer counts the threads.
        known.update(("/proc/self/task", "/proc/self/stat", *_system(found)))
        return sorted(
            each
            for each in found - known
            if not each.startswith(f"{library}/") or "-packages" in each
        )


def _system(found: set[str]) -> set[str]:
    """Return what the C library looks up to load a module or the time zone."""
    return {
        each
        for each in found
        if each.startswith(("/lib", "/usr/lib64", "/etc/l"))
        or re.match(r"/usr/lib/\w+-linux", each)
        or re.search(r"/lib[^/]*\.so[^/]*$", each)
    }


def looked(lines: str) -> set[str]:
    """Return the paths in what strace has written."""
    found = set()
    for line in lines.splitlines():
        match = _LOOKED.match(line)
        if match is not None:
            found.add(match[2])
    return found
