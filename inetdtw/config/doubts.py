# -*- test-case-name: inetdtw.config.test.test_doubts -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warn of programs and arguments that are valid, but probably not meant.

The word after the program is C{argv[0]}, the name that the program is started as.  A
command line that was copied often has its first argument there.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence

from inetdtw.config.entry import Entry
from inetdtw.model.errors import ConfWarning
from inetdtw.model.service import Program, Service

#: The names of shells, and of other interpreters that read a program from a file.
_SHELLS = r"(?:a|ba|c|da|fi|k|lk|mk|ok|pdk|tc|ya|z)?sh"
_INTERPRETERS = re.compile(
    rf"(?:{_SHELLS}|i?python|pypy|perl|ruby|jruby|lua|luajit|texlua|node|nodejs|deno|bun"
    r"|php|php-cli|tclsh|wish|jimsh|expect|expectk|guile|gosh|racket|csi|scheme|sbcl|clisp"
    r"|ecl|Rscript|octave|julia|groovy|escript|raku|perl6|ocaml|runghc|runhaskell|pike"
    r"|micropython|qjs|janet|fennel)(?:-?[0-9]+(?:\.[0-9]+)*)?"
)
#: The ends of the names of scripts.
_SCRIPT = re.compile(
    r".+\.(?:py|pyc|pyz|pl|sh|bash|ksh|zsh|rb|lua|js|mjs|cjs|ts|php|php[0-9]|tcl|exp|scm|ss"
    r"|R|r|jl|awk|lisp|groovy|raku|p6|ml|hs|tac)"
)
#: Programs that receive further datagrams of a client, or answer many clients: they
#: need the service's own socket.
_SHARED = re.compile(
    r"(?:in\.)?(?:(?:a|u|ut|op)?tftpd(?:-hpa)?|[no]?talkd|comsat|bootpd?|bootpgw|bootparamd"
    r"|dhcpd|udhcpd|dhcrelay|dhcprelay|timed|rwhod|named|nmbd|snmpd|amandad|statd|lockd"
    r"|mountd|rusersd|rwalld|walld|sprayd|rstatd|rquotad|pcnfsd|ypupdated|cmsd|ttdbserverd"
    r"|sadmind)|rpc\..+"
)


def doubts(entry: Entry, service: Service) -> Iterator[ConfWarning]:
    """Yield a warning for each value of a service that is probably not meant."""
    program = service.program
    if program is None:
        return
    reason = _aboutName(program)
    if reason is not None:
        key = "args" if "args" in entry.locations else "exec"
        yield ConfWarning(entry.where(key), key, reason)
    if service.socktype == socket.SOCK_DGRAM and not service.wait:
        name = next(filter(_SHARED.fullmatch, _names(program)), None)
        if name is not None:
            reason = (
                f"'{name}' probably needs the service's socket, but nowait passes it "
                "one datagram: write wait"
            )
            yield ConfWarning(entry.where("wait"), "wait", reason)


def _aboutName(program: Program) -> str | None:
    """Return why C{argv[0]} is probably an argument, or C{None} if it is a name."""
    called, base = program.argv[0], os.path.basename(program.name)
    if called.startswith("-"):
        # A shell is a login shell if "-" is in front of its name.
        if called[1:] == base or _isInterpreter(called[1:]):
            return None
        use = f"it is not read as an option; write {base} {called}"
    elif _isInterpreter(base) and _isScript(program.argv, base):
        lost = "runs what its clients send" if len(program.argv) == 1 else "ignores it"
        use = f"{base} {lost}; write {base} {called}"
    elif base == "env" and _isCommand(called):
        use = f"env ignores it; write env {called}"
    elif base == "busybox" and _SCRIPT.fullmatch(os.path.basename(called)):
        use = f"busybox has no such applet; write sh {called}"
    else:
        return None
    return f"'{called}' is argv[0], the program's own name: {use}"


def _isCommand(word: str) -> bool:
    """Tell whether a word is an argument of C{env}, and not its name."""
    script = _SCRIPT.fullmatch(os.path.basename(word)) is not None
    return script or "=" in word or _isInterpreter(word)


def _isInterpreter(name: str) -> bool:
    return _INTERPRETERS.fullmatch(os.path.basename(name)) is not None


def _isScript(argv: Sequence[str], interpreter: str) -> bool:
    """Tell whether C{argv[0]} of an interpreter is the script that it is to run."""
    called, *rest = argv
    base = os.path.basename(called)
    if base == interpreter or _isInterpreter(base):
        return False
    if not rest:
        return True
    if "/" not in called and not _SCRIPT.fullmatch(base):
        return False
    # A script that is named again is run, and C{argv[0]} is any name.
    again = (os.path.basename(word) for word in rest)
    return not any(word == base or _SCRIPT.fullmatch(word) for word in again)


def _names(program: Program) -> Iterator[str]:
    """
    Yield the names that the program may have.

    With C{tcpd} it is C{argv[0]}, with C{busybox} or C{env} the argument after it.
    """
    words = [program.name, *program.argv[:1]]
    if os.path.basename(program.name) in ("busybox", "toybox", "env"):
        words += program.argv[1:2]
    return map(os.path.basename, words)
