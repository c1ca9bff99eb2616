# -*- test-case-name: inetdtw.cli.test.test_operate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The words that may be in the place of a file, for L{inetdtw.cli.entry}.

It compares them before it imports.
"""

from __future__ import annotations

from collections.abc import Sequence

#: The commands for a running daemon.
COMMANDS = (
    *("status", "clients", "health", "reload"),
    *("pause", "resume", "drain", "stop"),
)

_START = "'inetd FILE' starts a daemon, with -f in the foreground"
_AGAIN = (
    "'inetd reload' reads the configuration again, and keeps all clients; to replace "
    "the daemon, use 'inetd stop' and start it again as before"
)
_CHECK = "'inetd --check FILE' checks a configuration"
_LIST = "'inetd status' lists the services"
_LOG = (
    "a daemon in the background logs to the system log (journalctl -t inetd, or grep "
    "inetd /var/log/syslog); with -e it logs to standard error, with --stdout to "
    "standard output"
)
#: What to do in place of commands that other programs have.
ADVICE = {
    "start": _START,
    **dict.fromkeys(("restart", "try-restart", "force-reload"), _AGAIN),
    **dict.fromkeys(("test", "check", "configtest"), _CHECK),
    **dict.fromkeys(("list", "ls", "ps"), _LIST),
    **dict.fromkeys(("log", "logs"), _LOG),
    **dict.fromkeys(("quit", "exit", "kill", "halt"), "'inetd stop' ends the daemon"),
    "disable": "'inetd pause SERVICE' stops accepting clients of a service",
    "enable": "'inetd resume SERVICE' accepts clients of a service again",
    "explain": "'inetd --explain SERVICE FILE' prints a service with all keys",
}


def withOptions(arguments: Sequence[str]) -> list[str]:
    """Return a command line in which C{help} and C{version} are options."""
    first = arguments[0] if arguments else ""
    if first == "version":
        return ["--version"]
    if first == "help" and arguments[1:2] and arguments[1] in ADVICE:
        return [arguments[1]]
    if first == "help":
        return [*(each for each in arguments[1:2] if each in COMMANDS), "--help"]
    return list(arguments)


def aboutWord(word: str) -> str:
    """Return the message about a word that has L{ADVICE}."""
    return f"'{word}' is not a command: {ADVICE[word]}. For a file, use ./{word}"
