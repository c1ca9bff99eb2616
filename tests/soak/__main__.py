# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Flood a daemon, or have it run for long.

As root it also serves as another user::

    python -m tests.soak connections [CLIENTS [AT-ONCE [BACKLOG]]]  # 20000, 500, 1000
    python -m tests.soak beside [CLIENTS]                           # 300
    python -m tests.soak datagrams [COUNT]                          # 100000
    python -m tests.soak reflectors [EACH]                          # 1000
    python -m tests.soak survival [MINUTES]                         # 30

It prints figures; the exit status is 1 if a check fails.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from typing import Callable

from tests.soak import connections, datagrams, reflectors
from tests.soak.mixed import Mixed, flood, overflows
from tests.soak.survival import Survival, measure
from tests.support.daemon import Daemon, freePort, twistd

#: The services of which one is flooded, and those that have a client meanwhile.
FLOODED, MEASURED = ("forked", "bounded", "internal"), ("internal", "direct", "warm")

_INTERNAL = ("echo", "chargen", "daytime", "time")


def floodAll(
    directory: str, count: int = 20_000, atOnce: int = 500, backlog: int = 1000
) -> bool:
    """
    Make very many connections to services of all kinds.

    @param backlog: the backlog of each service. When it is smaller than the number of
        clients at a time, the kernel refuses clients, some of them for a minute or
        more; but each one that was accepted is to be served.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * atOnce:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4 * atOnce, hard), hard))
    mixed = Mixed(directory)
    with mixed.daemon(["-l", "-q", str(backlog)]) as daemon:
        before, began = overflows(), time.monotonic()
        found = flood(mixed.clients, count, atOnce)
        again, seconds = overflows() - before, time.monotonic() - began
    log = daemon.log()
    accepted = mixed.accepted(log)
    for name, outcomes in found.items():
        print(f"{name:10} {outcomes} accepted={accepted.get(name, '-')}")
        print(*(f"    {each}\n" for each in outcomes.others[:5]), sep="", end="")
    print(f"{count} clients, {atOnce} at a time, {seconds:.1f} s; turned away ", end="")
    print(f"by the kernel: {again} times, by the daemon: {log.count(' refuse ')}")
    served = {name: found[name].counts["right"] for name in accepted}
    others = any(outcomes.others for outcomes in found.values())
    excused = again and not any(outcomes.bad for outcomes in found.values())
    return served == accepted and bool(excused or not others)


def floodOne(directory: str, count: int = 300) -> bool:
    """Make connections to one service, beside a client of another one."""
    mixed = Mixed(directory)
    good = True
    with mixed.daemon():
        for flooded in FLOODED:
            for name in MEASURED:
                if name != flooded:
                    found = connections.beside(mixed, flooded, name, count)
                    print(f"{name}, alone: {found.alone}")
                    print(f"  beside {found.made} connections to {flooded}: ", end="")
                    print(f"{found.flooded}; {found.outcomes}", flush=True)
                    good = good and not found.outcomes.others
    return good


def floodDatagrams(directory: str, count: int = 100_000) -> bool:
    """Datagrams to an internal service and to one that waits."""
    mixed = Mixed(directory)
    accounts = []
    # One client gets more answers than a client may by default.
    with mixed.daemon(["--answer-max", "0"]):
        for name in ("datagrams", "waitingDatagrams"):
            for window in (None, 32):
                account = datagrams.flood(mixed.ports[name], count, window)
                print(f"{name}, {window or 'any number'} at a time: {account}")
                accounts.append(account)
    return not any(account.lost or account.wrong for account in accounts)


def forge(directory: str, each: int = 1000) -> bool:
    """Datagrams of forged sources to the internal services."""
    ports = [freePort() for _ in _INTERNAL]
    path = os.path.join(directory, "inetd.conf")
    with open(path, "w", encoding="ascii") as file:
        for port, name in zip(ports, _INTERNAL):
            file.write(f"{port} dgram udp wait - internal {name}\n")
    with Daemon(twistd("inetd", "--conf", path), ports=ports) as daemon:
        found = reflectors.attack(ports, each)
        print(found, "lines of the log:", daemon.log().count(" refuse "))
    return not found["reflected"] and found["honest"] == found["asked"]


def survive(directory: str, minutes: int = 30) -> bool:
    """Everything at once, for long."""
    mixed = Mixed(directory)
    with mixed.daemon(["--log-level", "error"]) as daemon:
        survival = Survival(mixed, daemon)
        survival.run(60, 5)
        warmed = survival.settled()
        print(f"after 1 minute: {warmed}", flush=True)
        for minute in range(minutes):
            survival.run(60, 5)
            print(f"{minute + 1}: {measure(daemon.process.pid)}", flush=True)
        last = survival.settled(warmed)
    print(f"at the end: {last}")
    print(f"clients: {survival.outcomes}; ", end="")
    print(f"reloads: {survival.reloads}, processes killed: {survival.kills}")
    print(*survival.outcomes.others[:20], sep="\n")
    same = last.counts == warmed.counts and not last.grown(warmed)
    return same and not survival.outcomes.counts["wrong"]


COMMANDS: dict[str, Callable[..., bool]] = {
    "connections": floodAll,
    "beside": floodOne,
    "datagrams": floodDatagrams,
    "reflectors": forge,
    "survival": survive,
}


def main(name: str = "", *numbers: str) -> None:
    """Run one of the commands."""
    if name not in COMMANDS or not all(map(str.isdigit, numbers)):
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        good = COMMANDS[name](directory, *map(int, numbers))
    sys.exit(0 if good else f"{name}: not as it should be")


if __name__ == "__main__":
    main(*sys.argv[1:])
