# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Sessions of nox(1) for a checkout, each in an environment of its own.

    nox                       # the tests with each installed interpreter
    nox -s coverage           # coverage, also in daemons and the processes they start
    nox -s lint docs build    # as in CI

nox skips and names interpreters that are not installed.  Arguments after C{--} are for
trial: C{nox -s tests -- inetdtw.config.test.test_parser}.
"""

from __future__ import annotations

import os
import tempfile

import nox

_OLDEST = "22.10.0"
_NEWEST = "newest"

_SUITES = (["inetdtw"], ["tests", "benchmarks"])

#: Each CPython with the newest Twisted for it, and the oldest with the oldest Twisted.
_MATRIX = [("3.9", _OLDEST), *((f"3.{minor}", _NEWEST) for minor in range(9, 14))]

nox.options.sessions = ["tests"]
nox.options.error_on_missing_interpreters = False


@nox.session
@nox.parametrize(("python", "twisted"), _MATRIX, ids=["-".join(row) for row in _MATRIX])
def tests(session: nox.Session, twisted: str) -> None:
    """Run the unit and the black-box tests; as root, also as other users."""
    session.install(
        ".[test]", "twisted" if twisted == _NEWEST else f"twisted=={twisted}"
    )
    for suite in [session.posargs] if session.posargs else _SUITES:
        session.run("trial", *_ours(session), *suite, env={"PYTHONPATH": "."})


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure the coverage of all tests, with branches; needs Python 3.10 or newer."""
    session.install("-e", ".[test,dev]")
    with tempfile.TemporaryDirectory() as directory:
        # Daemons of other users write there too.
        os.chmod(directory, 0o1777)
        env = {"PYTHONPATH": ".", "COVERAGE_FILE": os.path.join(directory, "data")}
        run = ("python", "-m", "coverage")
        trial = (*run, "run", "-m", "twisted.trial", *_ours(session))
        for suite in [session.posargs] if session.posargs else _SUITES:
            session.run(*trial, *suite, env=env)
        session.run(*run, "combine", "--quiet", env=env)
        session.run(*run, "html", "--quiet", env=env)
        session.run(*run, "report", env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and types."""
    session.install("-e", ".[test,dev]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the guide, the man pages and the API pages into C{build}."""
    session.install("-e", ".[test,dev,docs]")
    session.run("pydoctor", "--quiet")
    for builder in ("html", "man"):
        session.run("sphinx-build", "-qWn", "-b", builder, "docs", f"build/{builder}")


@nox.session
def build(session: nox.Session) -> None:
    """Build the files of a release into C{dist}."""
    session.install(".[dev]")
    session.run("python", ".ci/distributions.py", "dist")
    files = [os.path.join("dist", name) for name in sorted(os.listdir("dist"))]
    session.run("twine", "check", "--strict", *files)
    wheels = [name for name in files if name.endswith(".whl")]
    session.run("check-wheel-contents", *wheels)


def _ours(session: nox.Session) -> list[str]:
    """Return the options that separate concurrent sessions."""
    return ["--temp-directory", os.path.join(session.create_tmp(), "trial")]
