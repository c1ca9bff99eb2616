# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The other superservers, each configured for speed.

They have no rate limits and no access lists, and look up and log nothing per
connection.
"""

from __future__ import annotations

import pwd
from collections.abc import Sequence
from pathlib import Path

from benchmarks import compiled
from benchmarks.packages import Missing, Packages
from benchmarks.server import LOG, Launch, Server
from benchmarks.service import HOST, Service, ownUser

#: More children a minute, or at once, than there can be.
UNLIMITED = 1_000_000

#: The most that fits into the field of a line that counts starts per minute.
LINE_LIMIT = ".65535"

#: As many clients may wait as with most peers by themselves.
BACKLOG = "128"


class Peer(Server):
    """
    A superserver from a Debian package.

    @cvar package: the package's name.
    @cvar path: the program's path in it.
    """

    package: str
    path: str

    def __init__(self, packages: Packages) -> None:
        """@raise Missing: if it is not available."""
        self.program = self.find(packages)

    def find(self, packages: Packages) -> list[str]:
        """Return the command of the program."""
        return packages.program(self.package, self.path)


class OneService(Peer):
    """A superserver that serves one program on one TCP port."""

    def unsupported(self, services: Sequence[Service]) -> str:
        """Return a reason for all but one stream service with a program."""
        if len(services) > 1:
            return "serves one port"
        if services[0].internal:
            return "has no services of its own"
        if services[0].wait or services[0].socktype != "stream":
            return "has no wait services"
        return super().unsupported(services)


class OpenBSD(Peer):
    """Debian's version of OpenBSD's inetd."""

    name, package, path = "openbsd-inetd", "openbsd-inetd", "usr/sbin/inetd"

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it; it writes its pid file in the foreground, too."""
        config = _lines(services, LINE_LIMIT, directory)
        argv = [*self.program, "-i", "-R", "0", "-q", BACKLOG, config]
        return Launch(argv, spoils=[Path("/run/inetd.pid")])


class Inetutils(Peer):
    """GNU's inetd, whose backlog is fixed at 10."""

    name, package = "inetutils-inetd", "inetutils-inetd"
    path = "usr/sbin/inetutils-inetd"

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it: without C{--debug} this version daemonizes."""
        pidfile, rate = f"--pidfile={directory / 'pid'}", f"--rate={UNLIMITED}"
        config = _lines(services, "", directory)
        return Launch([*self.program, "--debug", pidfile, rate, config])


class Busybox(Peer):
    """The inetd of busybox."""

    name, package, path = "busybox-inetd", "busybox", "bin/busybox"

    def find(self, packages: Packages) -> list[str]:
        """Return the command; busybox is built, as Debian's has no inetd."""
        return compiled.busybox(packages.cache)

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it without a rate limit."""
        options = ["inetd", "-f", "-q", BACKLOG, "-R", "0"]
        config = _lines(services, "", directory)
        return Launch([*self.program, *options, config])


class Xinetd(Peer):
    """The extended inetd."""

    name, package, path = "xinetd", "xinetd", "usr/sbin/xinetd"

    def unsupported(self, services: Sequence[Service]) -> str:
        """
        Return a reason for datagram services.

        xinetd empties the socket when a child exits, so a program that receives one
        datagram answers only the first one of a burst.
        """
        if any(service.socktype == "dgram" for service in services):
            return "throws away the datagrams that came while a child ran"
        return super().unsupported(services)

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it without a log of connections."""
        config = directory / "xinetd.conf"
        config.write_text("".join(map(self._block, services)))
        options = ["-dontfork", "-f", str(config), "-pidfile", str(directory / "pid")]
        return Launch([*self.program, *options, "-filelog", str(directory / LOG)])

    def _block(self, service: Service) -> str:
        """Return the section of a service."""
        rows = {
            "id": f"{service.protocol}-{service.port}",
            "type": "INTERNAL UNLISTED" if service.internal else "UNLISTED",
            "flags": "NOLIBWRAP IPv4",
            "socket_type": service.socktype,
            "protocol": service.protocol,
            "port": str(service.port),
            "bind": HOST,
            "wait": "yes" if service.wait else "no",
            "user": service.user,
            "instances": "UNLIMITED",
            "per_source": "UNLIMITED",
            "cps": f"{UNLIMITED} 1",
        }
        if not service.internal:
            rows["flags"] += " NAMEINARGS"
            rows["server"] = service.path
            rows["server_args"] = " ".join(service.args)
        body = "".join(f"\t{key} = {value}\n" for key, value in rows.items() if value)
        return f"service {service.internal or rows['id']}\n{{\n{body}}}\n"


class Tcpserver(OneService):
    """tcpserver of ucspi-tcp, which changes its user once, when it starts."""

    name, package, path = "tcpserver", "ucspi-tcp", "usr/bin/tcpserver"

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it without look-ups, with a large backlog."""
        (service,) = services
        options = ["-q", "-H", "-R", "-l0", "-c", str(UNLIMITED), "-b", BACKLOG]
        if service.user != ownUser():
            user = pwd.getpwnam(service.user)
            options += ["-u", str(user.pw_uid), "-g", str(user.pw_gid)]
        return Launch(
            [*self.program, *options, HOST, str(service.port), *service.program]
        )


class SocketActivate(OneService):
    """
    systemd-socket-activate.

    It cannot change the user.  For another user, it runs as that user.
    """

    name, package = "systemd-socket-activate", "systemd"
    path = "usr/bin/systemd-socket-activate"

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return how to start it with one process for each connection."""
        (service,) = services
        options = ["-l", f"{HOST}:{service.port}", "--accept", "--inetd"]
        user = service.user if service.user != ownUser() else ""
        argv = [*self.program, *options, *service.program]
        return Launch(argv, env={"SYSTEMD_LOG_LEVEL": "err"}, user=user)


PEERS: tuple[type[Peer], ...] = (
    Busybox,
    Tcpserver,
    Xinetd,
    OpenBSD,
    SocketActivate,
    Inetutils,
)


def _lines(services: Sequence[Service], limit: str, directory: Path) -> str:
    """Write a classic inetd.conf, and return its path."""
    config = directory / "inetd.conf"
    config.write_text("".join(service.line(limit) + "\n" for service in services))
    return str(config)


def findPeers(packages: Packages) -> tuple[list[Server], dict[str, str]]:
    """
    Return all peers.

    @return: those that there are, and the reasons for the others by name.
    """
    found: list[Server] = []
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            found.append(peer(packages))
        except Missing as reason:
            missing[peer.name] = str(reason)
    return found, missing
