# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Testing a service of your own: C{trial examples/test_lower.py}.

The superserver runs in the test, on a port that the system chooses, and starts the
real program.
"""

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import TestCase

from inetdtw import InetdService

#: Paths in the text are relative to the directory of this path, which need not exist.
CONF = Path(__file__).resolve().with_name("inetd.conf")

TEXT = """
127.0.0.1:0 on id = lower, protocol = tcp, wait = no, user = -, exec = ./lower.py;
"""


class Client(Protocol):
    """Send a text, shut down the sending half, and collect the answer."""

    def __init__(self, text):
        self.text = text
        self.received = b""
        self.done = Deferred()

    def connectionMade(self):
        self.transport.write(self.text)
        self.transport.loseWriteConnection()

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason):
        self.done.callback(self.received)


class LowerTests(TestCase):
    """Tests for C{lower.py}, as a client sees it."""

    def setUp(self):
        self.inetd = InetdService(str(CONF), text=TEXT)
        self.inetd.startService()
        # trial waits for the Deferred: the helper processes have exited then.
        self.addCleanup(self.inetd.stopService)

    @inlineCallbacks
    def test_lower(self):
        """Each line comes back in lower case when a client sends it."""
        address = self.inetd.getHosts()["lower"]
        endpoint = TCP4ClientEndpoint(reactor, address.host, address.port)
        client = yield connectProtocol(endpoint, Client(b"wEjLu\nUikO\n"))
        received = yield client.done
        self.assertEqual(received, b"wejlu\nuiko\n")
