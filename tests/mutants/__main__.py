# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Change the code in one place at a time, and run tests until one fails.

Usage::

    python -m tests.mutants [--count 300] [--seed 1] [--module NAME]... [--black-box]
                            [--jobs 2] [--results FILE] [--list]

Each mutant is run against the unit tests of its module, then all unit tests, and with
C{--black-box} against the black-box tests of its area.  Those in C{equivalent.txt}
change nothing observable, and are left out; each has its reason.

C{--results} names a file that gets a line of JSON for each mutant.  A mutant that is
in it already is not run again, so that a run can be continued, and one with
C{--black-box} goes on with what the unit tests have left.

The exit status is 1 if less than 95 percent are killed.  It takes an hour or more.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.areas import AREAS
from tests.mutants.mutations import Mutant, fileOf, mutantsOf
from tests.mutants.trials import Copy

CHECKOUT = Path(__file__).resolve().parents[2]
#: The part of the mutants that tests must kill.
WANTED = 0.95


def equivalents() -> set[str]:
    """Return the mutants that change nothing observable."""
    text = (Path(__file__).parent / "equivalent.txt").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith(("#", " ")))
    return {line for line in lines if line}


def sample(modules: Iterable[str], count: int, seed: int) -> list[Mutant]:
    """
    Return some of all mutants, the same for the same code and seed.

    @param modules: the modules to change.
    @param count: how many.
    """
    every: list[Mutant] = []
    for module in modules:
        path = CHECKOUT / fileOf(module)
        every += mutantsOf(module, path.read_bytes())
    without = equivalents()
    chosen = [mutant for mutant in every if str(mutant) not in without]
    return random.Random(seed).sample(chosen, min(count, len(chosen)))


class Results:
    """The outcome of each mutant, in a file."""

    def __init__(self, path: Path | None) -> None:
        """Read the results that the file has."""
        self._path = path
        self._found: dict[str, str] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                found = json.loads(line)
                self._found[found["mutant"]] = found["killed"]

    def known(self, mutant: Mutant) -> str | None:
        """
        Return what killed a mutant, empty if nothing did.

        @return: C{None} if it was not run.
        """
        return self._found.get(f"{mutant.line}:{mutant}")

    def add(self, mutant: Mutant, killed: str) -> None:
        """Remember what became of a mutant."""
        name = f"{mutant.line}:{mutant}"
        self._found[name] = killed
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                print(json.dumps({"mutant": name, "killed": killed}), file=file)


def run(mutants: list[Mutant], results: Results, jobs: int, blackBox: bool) -> None:
    """Test mutants, some at a time."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        Path(directory).chmod(0o755)
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(jobs):
            copies.put(Copy(CHECKOUT, Path(directory) / str(number)))

        def test(mutant: Mutant) -> None:
            copy = copies.get()
            try:
                killed = copy.kills(mutant, blackBox)
            finally:
                copies.put(copy)
            results.add(mutant, killed)
            print(f"{killed or 'SURVIVED':10} {mutant.line}:{mutant}", flush=True)

        copy = copies.get()
        copy.check()
        copies.put(copy)
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(test, mutants))


def main() -> None:
    """
    Run some mutants, and say how many were killed.

    @raise SystemExit: with 1 if too few were.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--module", action="append", choices=AREAS)
    parser.add_argument("--black-box", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    mutants = sample(options.module or AREAS, options.count, options.seed)
    if options.list:
        print(*(f"{each.line}:{each}" for each in mutants), sep="\n")
        return
    results = Results(options.results)
    done = ("",) if options.black_box else ()
    todo = [each for each in mutants if results.known(each) in (None, *done)]
    run(todo, results, options.jobs, options.black_box)
    killed = sum(bool(results.known(each)) for each in mutants)
    print(f"{killed} of {len(mutants)} mutants killed, {killed / len(mutants):.1%}")
    sys.exit(killed < WANTED * len(mutants))


if __name__ == "__main__":
    main()
