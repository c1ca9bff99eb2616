# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A web site and an inetd.conf in one application: C{twistd -ny site.tac}.

http://127.0.0.1:8080/ lists the services of the inetd.conf.
"""

from pathlib import Path

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.web.resource import Resource
from twisted.web.server import Site

from inetdtw import InetdService

CONF = Path(__file__).resolve().parent.parent / "etc" / "inetd.conf"


class Ports(Resource):
    """The names and addresses of an L{InetdService}'s services."""

    isLeaf = True

    def __init__(self, inetd):
        super().__init__()
        self.inetd = inetd

    def render_GET(self, request):
        request.setHeader("content-type", "text/plain; charset=utf-8")
        hosts = self.inetd.getHosts()
        return "".join(f"{name}: {hosts[name]}\n" for name in sorted(hosts)).encode()


inetd = InetdService(str(CONF))
web = StreamServerEndpointService(
    serverFromString(reactor, "tcp:8080:interface=127.0.0.1"), Site(Ports(inetd))
)

application = Application("site")
inetd.setServiceParent(application)
web.setServiceParent(application)
