# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Generate the shells' completions from C{inetd}'s options.

Run it as C{python docs/completions.py}.
"""

from __future__ import annotations

import os
import re
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
#: The option whose value is a service.
EXPLAIN = "explain"
#: The condition of fish(1) for a command.
_SEEN = "__fish_seen_subcommand_from"

BASH = """\
# Copyright (c) the inetdtw authors.
# See LICENSE for details.
# Completion for inetd(8), made by docs/completions.py.

# Complete the name of a service; the running daemon has the names.  bash completes only
# what follows the last colon or equals sign of a word.
_inetd_services() {{
    local line=${{COMP_LINE:0:COMP_POINT}} control=() breaks= at each head name quoted=
    local program=${{COMP_WORDS[0]/#\\~/$HOME}} word
    compopt +o default 2>/dev/null
    for ((at = 1; at < ${{#COMP_WORDS[@]}}; at++)); do
        [[ ${{COMP_WORDS[at]}} != --control ]] || {{
            [[ ${{COMP_WORDS[at + 1]}} != = ]] || ((at++))
            control=(--control "${{COMP_WORDS[at + 1]}}")
        }}
    done
    # The last word, in which a space may be quoted.
    each='(([^[:space:]\\'\\''"]|[\\].|'\\''[^'\\'']*'\\''?|"[^"]*"?)*)$'
    [[ $line =~ $each ]]
    word=${{BASH_REMATCH[1]#--explain=}}
    case $word in
    [\\'\\"]*) quoted=yes word=${{word:1}} head= ;;
    *)
        for each in : =; do
            [[ $COMP_WORDBREAKS != *$each* ]] || breaks+=$each
        done
        head=$word
        [[ ! $breaks ]] || head=${{word##*[$breaks]}}
        head=${{word%"$head"}} head=${{head//\\\\/}} word=${{word//\\\\/}}
        ;;
    esac
    while IFS= read -r name; do
        [[ $name == "$word"* ]] || continue
        name=${{name#"$head"}}
        [[ $quoted ]] || printf -v name %q "$name"
        COMPREPLY+=("$name")
    done < <("$program" status --names "${{control[@]}}" 2>/dev/null </dev/null)
}}

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

# Print the names of services, which the running daemon has.
function __inetd_services
    set -l words (commandline -opc)
    set -l control
    if set -l at (contains -i -- --control $words)
        set control --control $words[(math $at + 1)]
    end
    type -q $words[1]; and $words[1] status --names $control 2>/dev/null </dev/null
end

{lines}
"""

ZSH = """\
#compdef inetd
# Copyright (c) the inetdtw authors.
# See LICENSE for details.
# Completion for inetd(8), made by docs/completions.py.

# Complete the name of a service; the running daemon has the names.
_inetd_services() {{
    local -a control names
    local at=${{words[(I)--control]}} expl
    (( at )) && control=(--control "${{(Q)words[at + 1]}}")
    local command=(${{~${{(Q)program}}}} status --names $control)
    names=("${{(@f)$($command 2>/dev/null </dev/null)}}")
    _wanted services expl service compadd -a names
}}

_inetd() {{
    local program=$words[1]
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        local -a commands=({commands})
        _describe command commands
        _files
        return
    fi
    case $words[2] in
{operated}
    *)
        _arguments -s -S {options} '*:file:_files'
        ;;
    esac
}}

_inetd "$@"
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
    offer = f"COMPREPLY=($(compgen -W '{words}' -- \"$cur\"))"
    if not takesService(name):
        return f"    {name}) [[ $cur != -* ]] || {offer}; return ;;"
    valued = [each for each in _optionsOf(name) if each.argument]
    files = [n for each in valued if each.argument in FILES for n in each.names]
    others = [n for each in valued if each.argument not in FILES for n in each.names]
    cases = [f"{'|'.join(files)}) return ;;"] if files else []
    if others:
        cases.append(f"{'|'.join(others)}) compopt +o default 2>/dev/null; return ;;")
    return "\n".join(
        (
            f"    {name})",
            f"        case $prev in {' '.join(cases)} esac",
            f"        if [[ $cur == -* ]]; then {offer}; else _inetd_services; fi",
            "        return ;;",
        )
    )


def takesService(command: str) -> bool:
    """Return whether the argument of a command is a service."""
    return "SERVICE" in (COMMANDS[command]().synopsis or "")


def _optionsOf(command: str) -> list[Option]:
    """Return the options of a command to a running daemon."""
    return optionsOf(COMMANDS[command]())


def _bashValue(option: Option) -> str:
    """Return the statement of bash(1) for the value of an option."""
    if option.argument in FILES:
        return "return"
    if option.name == EXPLAIN:
        return "_inetd_services; return"
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
        if takesService(name):
            lines.append(f"complete -c inetd {when} -f -a '(__inetd_services)'")
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
    elif option.name == EXPLAIN:
        words.append("-x -a '(__inetd_services)'")
    elif option.argument:
        words.append("-r -F" if option.argument in FILES else "-x")
    about = option.about.replace("\\", r"\\").replace("'", r"\'")
    return " ".join([*words, f"-d '{about}'"])


def zsh(options: Sequence[Option]) -> str:
    """Return the completions for zsh."""
    return ZSH.format(
        commands=" ".join(COMMANDS),
        operated="\n".join(map(_zshCommand, COMMANDS)),
        options=_zshOptions(options),
    )


def _zshCommand(name: str) -> str:
    """Return the case of zsh(1) for a command."""
    more = " ':service:_inetd_services'" if takesService(name) else ""
    return "\n".join(
        (
            f"    {name})",
            "        shift words",
            "        (( CURRENT-- ))",
            f"        _arguments -s -S {_zshOptions(_optionsOf(name))}{more}",
            "        ;;",
        )
    )


def _zshOptions(options: Sequence[Option]) -> str:
    """Return the specifications of options for C{_arguments}."""
    lines = [_zshLine(option, name) for option in options for name in option.names]
    return "".join(f"\\\n            {line} " for line in lines)


def _zshLine(option: Option, name: str) -> str:
    """Return the specification of an option by one of its names."""
    about = re.sub(r"([\\\[\]:])", r"\\\1", option.about).replace("'", "'\\''")
    if not option.argument:
        return f"'{name}[{about}]'"
    if option.argument in FILES:
        action = "_files"
    elif option.name == EXPLAIN:
        action = "_inetd_services"
    else:
        words = " ".join(CHOICES.get(option.name, ()))
        action = f"({words})" if words else " "
    sign = "=" if name.startswith("--") else "+"
    return f"'{name}{sign}[{about}]:{option.argument.lower()}:{action}'"


def texts() -> dict[str, str]:
    """Return the contents of all files, by their paths below C{share}."""
    # An option without a long name is the same as one with a long name.
    options = [each for each in optionsOf(InetdOptions()) if len(each.name) > 1]
    return {
        "bash-completion/completions/inetd": bash(options),
        "fish/vendor_completions.d/inetd.fish": fish(options),
        "zsh/site-functions/_inetd": zsh(options),
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
