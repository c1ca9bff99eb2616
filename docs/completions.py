# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Make the files that have shells complete C{inetd}'s options, of the options themselves:
C{python docs/completions.py}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, ROOT)

from inetdtw.cli import Options  # noqa: E402 - of this checkout
from inetdtw.commandline import Option, optionsOf  # noqa: E402

#: What an option takes where that is the path of a file.
FILES = ("PATH", "FILE")

BASH = """\
# Copyright (c) the inetdtw authors.
# See LICENSE for details.
# Completion for inetd(8), made by docs/completions.py.

_inetd() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}}
    COMPREPLY=()
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == = ]]; then
        prev=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    case $prev in
{cases}
    esac
    # Without an answer it is the name of a file.
    [[ $cur != -* ]] || COMPREPLY=($(compgen -W '
{names}
    ' -- "$cur"))
}}

complete -o default -F _inetd inetd
"""

FISH = """\
# Copyright (c) the inetdtw authors.
# See LICENSE for details.
# Completion for inetd(8), made by docs/completions.py.

{lines}
"""


def bash(options: Sequence[Option]) -> str:
    """
    The file for bash(1).
    """
    cases = [
        f"    {'|'.join(o.names)}) {_bashValue(o)} ;;" for o in options if o.argument
    ]
    names = [f"        {' '.join(option.names)}" for option in options]
    return BASH.format(cases="\n".join(cases), names="\n".join(names))


def _bashValue(option: Option) -> str:
    """
    What bash does for the value of an option.
    """
    if option.argument in FILES:
        return "return"
    if not option.choices:
        return "compopt +o default 2>/dev/null; return"
    words = " ".join(option.choices)
    return f"COMPREPLY=($(compgen -W '{words}' -- \"$cur\")); return"


def fish(options: Sequence[Option]) -> str:
    """
    The file for fish(1).
    """
    return FISH.format(lines="\n".join(map(_fishLine, options)))


def _fishLine(option: Option) -> str:
    """
    What fish is told of an option.
    """
    words = ["complete -c inetd", *(f"-s {letter}" for letter in option.letters)]
    if len(option.name) > 1:
        words.append(f"-l {option.name}")
    if option.choices:
        words.append(f"-x -a '{' '.join(option.choices)}'")
    elif option.argument:
        words.append("-r -F" if option.argument in FILES else "-x")
    about = option.about.replace("\\", r"\\").replace("'", r"\'")
    return " ".join([*words, f"-d '{about}'"])


def texts() -> dict[str, str]:
    """
    The texts of all files, by their paths below C{share}.
    """
    # What has no long name says no more than one that has.
    options = [each for each in optionsOf(Options()) if len(each.name) > 1]
    return {
        "bash-completion/completions/inetd": bash(options),
        "fish/vendor_completions.d/inetd.fish": fish(options),
    }


def main() -> None:
    """
    Write the files.
    """
    for name, text in texts().items():
        path = os.path.join(ROOT, "share", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
