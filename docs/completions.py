# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Generate the shells' completions from C{inetd}'s options.

Run it as C{python docs/completions.py}.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from twisted.python.usage import CompleteList

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, ROOT)

from inetdtw.cli.main import InetdOptions  # noqa: E402 - of this checkout
from inetdtw.cli.operate import COMMANDS  # noqa: E402
from inetdtw.cli.usage import Option, optionsOf  # noqa: E402

#: The arguments of options that are paths.
FILES = ("PATH", "FILE")
#: The values of options, where these are few: what zsh completes.
CHOICES = {
    name: tuple(action._items)
    for name, action in InetdOptions.compData.optActions.items()
    if isinstance(action, CompleteList)
}
#: The condition of fish(1) for a command.
_SEEN = "__fish_seen_subcommand_from"

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
    if [[ $COMP_CWORD == 1 && $cur != -* ]]; then
        COMPREPLY=($(compgen -W '{commands}' -- "$cur") $(compgen -f -- "$cur"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{operated}
    esac
    case $prev in
{cases}
    esac
    # Without an answer bash completes the name of a file.
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
    """Return the completions for bash."""
    cases = [
        f"    {'|'.join(o.names)}) {_bashValue(o)} ;;" for o in options if o.argument
    ]
    names = [f"        {' '.join(option.names)}" for option in options]
    return BASH.format(
        commands=" ".join(COMMANDS),
        operated="\n".join(map(_bashCommand, COMMANDS)),
        cases="\n".join(cases),
        names="\n".join(names),
    )


def _bashCommand(name: str) -> str:
    """Return the case of bash(1) for the options of a command."""
    words = " ".join(each for option in _optionsOf(name) for each in option.names)
    return (
        f"    {name}) [[ $cur != -* ]] || "
        f"COMPREPLY=($(compgen -W '{words}' -- \"$cur\")); return ;;"
    )


def _optionsOf(command: str) -> list[Option]:
    """Return the options of a command to a running daemon."""
    return optionsOf(COMMANDS[command]())


def _bashValue(option: Option) -> str:
    """Return the statement of bash(1) for the value of an option."""
    if option.argument in FILES:
        return "return"
    if option.name not in CHOICES:
        return "compopt +o default 2>/dev/null; return"
    words = " ".join(CHOICES[option.name])
    return f"COMPREPLY=($(compgen -W '{words}' -- \"$cur\")); return"


def fish(options: Sequence[Option]) -> str:
    """Return the completions for fish."""
    names = " ".join(COMMANDS)
    lines = [f"{_fishLine(each)} -n 'not {_SEEN} {names}'" for each in options]
    lines.append(f"complete -c inetd -n __fish_use_subcommand -a '{names}'")
    for name in COMMANDS:
        when = f"-n '{_SEEN} {name}'"
        lines += [_fishLine(option, when) for option in _optionsOf(name)]
    return FISH.format(lines="\n".join(lines))


def _fishLine(option: Option, when: str = "") -> str:
    """
    Return the line of fish(1) for an option.

    @param when: the condition of the line.
    """
    words = [f"complete -c inetd {when}".rstrip()]
    words += [f"-s {letter}" for letter in option.letters]
    if len(option.name) > 1:
        words.append(f"-l {option.name}")
    if option.name in CHOICES:
        words.append(f"-x -a '{' '.join(CHOICES[option.name])}'")
    elif option.argument:
        words.append("-r -F" if option.argument in FILES else "-x")
    about = option.about.replace("\\", r"\\").replace("'", r"\'")
    return " ".join([*words, f"-d '{about}'"])


def texts() -> dict[str, str]:
    """Return the contents of all files, by their paths below C{share}."""
    # An option without a long name is the same as one with a long name.
    options = [each for each in optionsOf(InetdOptions()) if len(each.name) > 1]
    return {
        "bash-completion/completions/inetd": bash(options),
        "fish/vendor_completions.d/inetd.fish": fish(options),
    }


def main() -> None:
    """Write the files."""
    for name, text in texts().items():
        path = os.path.join(ROOT, "share", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
