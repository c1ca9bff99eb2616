# -*- test-case-name: inetdtw.config.test.test_positional -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The grammar of positional lines, in terms of keys.

The fields are, in order::

    [address,...:]service   socktype   protocol   wait   user   program   argument...

and each may have several parts:

  - service: C{host:echo}, C{127.0.0.1,[::1]:7}, C{/run/path},
    C{:user:group:mode:/run/path};
  - socktype: C{stream}, C{stream,20} (NetBSD: C{accept_max}),
    C{stream:httpready} (an accept filter);
  - protocol: C{tcp}, C{tcp,sndbuf=64k,rcvbuf=1m};
  - wait: C{nowait}, C{nowait.600}, C{nowait:600} (C{service_max}),
    C{nowait/20/60/4} (FreeBSD: C{accept_max}, C{ip_max}, C{per_source});
  - user: C{user}, C{user:group}, C{user.group}, each with C{/class};
  - program: a path or name, or C{internal}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inetdtw.config.keyvalue import Assignment
from inetdtw.model.errors import ConfError, Word

#: The names of the fields.
FIELDS = ("service", "socktype", "protocol", "wait", "user", "exec")
_OWNER = ("socket_user", "socket_group", "socket_mode")
_LIMITS = ("accept_max", "ip_max", "per_source")
_BUFFERS = {"sndbuf": "sndbuf", "rcvbuf": "recvbuf", "recvbuf": "recvbuf"}


#: The maximum number of addresses in front of one service, or of following lines.
HOSTS = 32


def _assign(key: str, text: str, word: Word, offset: int = 0) -> Assignment:
    """Return C{key} with one value, which is C{offset} characters into C{word}."""
    part = _part(word, text, offset)
    return Word(key, part.location), (part,)


def _fields(
    keys: Iterable[str], texts: Iterable[str], word: Word, offset: int
) -> Iterator[Assignment]:
    """Yield the keys with these values, each C{offset} characters into C{word}."""
    for key, text in zip(keys, texts):
        if text:
            yield _assign(key, text, word, offset)
        offset += len(text) + 1


def splitService(word: Word) -> tuple[Word, list[Assignment]]:
    """
    Return the service in the first field, and the assignments for its address.

    @raise ConfError: if the field has no service.
    """
    if word.text.startswith(":") and "/" in word.text:
        return _splitOwner(word)
    if word.text.startswith("/"):
        return word, []
    hosts, colon, service = word.text.rpartition(":")
    if not service:
        raise ConfError(
            word.location,
            "service",
            f"'{word.text}' has no service: a port or a name must follow the colon",
        )
    if service[0] == "0" and service.isdigit():
        service = service.lstrip("0") or "0"
        word = Word(f"{hosts}{colon}{service}", word.location)
    if not colon:
        return word, []
    return _part(word, service, len(hosts) + 1), [(_name("bind", word), hostsOf(word))]


def hostsOf(word: Word) -> tuple[Word, ...]:
    """Return the addresses in front of the last colon, without brackets."""
    hosts = word.text.rpartition(":")[0]
    if hosts.count(",") >= HOSTS:
        raise ConfError(
            word.location,
            "service",
            f"too many addresses: a line may have at most {HOSTS}",
        )
    found: list[Word] = []
    offset = 0
    for host in hosts.split(","):
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not bare or (":" in bare and bare == host):
            reason = f"'{host}' is not an address; IPv6 needs brackets, as in [::1]:7"
            raise ConfError(_part(word, host, offset).location, "service", reason)
        found.append(_part(word, bare, offset))
        offset += len(host) + 1
    return tuple(found)


def _splitOwner(word: Word) -> tuple[Word, list[Assignment]]:
    """Return the parts of C{:user:group:mode:/path}, FreeBSD's form."""
    parts = word.text.split(":", 4)
    if len(parts) != 5 or not parts[4].startswith("/"):
        reason = f"'{word.text}' is not of the form :user:group:mode:/path"
        raise ConfError(word.location, "service", reason)
    offset = len(word.text) - len(parts[4])
    return _part(word, parts[4], offset), [*_fields(_OWNER, parts[1:4], word, 1)]


def _part(word: Word, text: str, offset: int) -> Word:
    return Word(text, word.location.after(offset))


def _name(key: str, word: Word) -> Word:
    return Word(key, word.location)


def parseLine(words: list[Word]) -> tuple[Word, list[Assignment], list[ConfError]]:
    """
    Return the service of a positional line, its assignments and its errors.

    @return: with an error for each field that is of another form.
    @raise ConfError: if it has too few fields.
    """
    if len(words) < len(FIELDS):
        missing = FIELDS[len(words)].replace("exec", "program")
        reason = f"is missing: a line needs {len(FIELDS)} fields, not {len(words)}"
        raise ConfError(words[-1].location, missing, reason)
    service, found, problems = words[0], list[Assignment](), list[ConfError]()
    try:
        service, found = splitService(words[0])
    except ConfError as problem:
        problems.append(problem)
    for parse, word in zip((_socktype, _protocol, _wait, _user), words[1:5]):
        try:
            found += parse(word)
        except ConfError as problem:
            problems.append(problem)
    found += _program(words[5:])
    return service, found, problems


def isInternal(program: Word) -> bool:
    """Return whether the word in place of a program stands for an internal service."""
    return program.text.lower() == "internal"


def _socktype(word: Word) -> Iterator[Assignment]:
    """Parse C{stream}, C{stream,20}, C{stream:filter} or C{stream,20:filter}."""
    rest, colon, acceptFilter = word.text.partition(":")
    socktype, comma, most = rest.partition(",")
    yield _assign("socktype", socktype, word)
    if comma:
        yield _assign("accept_max", most, word, len(socktype) + 1)
    if colon:
        yield _assign("acceptfilter", acceptFilter, word, len(rest) + 1)


def _protocol(word: Word) -> Iterator[Assignment]:
    """Parse C{tcp} or C{tcp,sndbuf=64k}."""
    protocol, *options = word.text.split(",")
    yield _assign("protocol", protocol, word)
    offset = len(protocol) + 1
    for option in options:
        name, equals, value = option.partition("=")
        key = _BUFFERS.get(name.lower())
        if not equals or key is None:
            location = _part(word, option, offset).location
            reason = f"'{option}' is not an option (sndbuf=SIZE, rcvbuf=SIZE)"
            raise ConfError(location, "protocol", reason)
        yield _assign(key, value, word, offset + len(name) + 1)
        offset += len(option) + 1


def _wait(word: Word) -> Iterator[Assignment]:
    """Parse C{wait} or C{nowait}, and limits."""
    rest, *limits = word.text.split("/")
    for mark in ".:":
        rest, found, rate = rest.partition(mark)
        if found:
            yield _assign("service_max", rate, word, len(rest) + 1)
            break
    if rest.lower() not in ("wait", "nowait") or len(limits) > len(_LIMITS):
        reason = (
            f"'{word.text}' is not wait or nowait, followed by .RATE or "
            "/MAX-CHILD/MAX-PER-IP-PER-MINUTE/MAX-CHILD-PER-IP"
        )
        raise ConfError(word.location, "wait", reason)
    yield _assign("wait", "yes" if rest.lower() == "wait" else "no", word)
    yield from _fields(_LIMITS, limits, word, word.text.find("/") + 1)


def _user(word: Word) -> Iterator[Assignment]:
    """
    Parse C{user} or C{user:group}, with C{/class} of login.conf(5) after it.

    C{user.group} stays as it is: only passwd(5) tells whether the dot is part of the
    user's name.
    """
    name, _, _ = word.text.partition("/")
    user, colon, group = name.partition(":")
    yield _assign("user", user, word)
    if colon:
        yield _assign("group", group, word, len(user) + 1)


def _program(words: list[Word]) -> Iterator[Assignment]:
    """Parse the program and its arguments, or C{internal}."""
    program, arguments = words[0], tuple(words[1:])
    if not isInternal(program):
        yield _name("exec", program), (program,)
    if arguments:
        yield _name("args", arguments[0]), arguments
