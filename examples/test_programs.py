# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Testing many services at once: C{trial examples/test_programs.py}.

All of them run in the test, on ports that the system chooses: connections, datagrams
with a program for each, and datagrams with the service's own socket.
"""

import socket
from pathlib import Path

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from inetdtw import InetdService

#: Paths in the text are relative to the directory of this path, which need not exist.
CONF = Path(__file__).resolve().with_name("inetd.conf")

TEXT = """
127.0.0.1:
0 on id = lower.py, protocol = tcp, wait = no, user = -, exec = ./lower.py;
0 on id = lower.sh, protocol = tcp, wait = no, user = -, exec = ./lower.sh;
0 on id = count, protocol = udp, wait = no, user = -, exec = ./count.py;
0 on id = upper, protocol = udp, wait = yes, user = -, exec = ./udpclient2.py;
0 on id = echo, protocol = tcp, args = echo;
"""

#: The timeout for an answer, in seconds.
TIMEOUT = 30


def talk(address, text):
    """Send a text over a connection, shut down the sending half, return the answer."""
    with socket.create_connection((address.host, address.port), TIMEOUT) as client:
        client.sendall(text)
        client.shutdown(socket.SHUT_WR)
        with client.makefile("rb") as answer:
            return answer.read()


def ask(address, text):
    """Send a datagram, and return the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(TIMEOUT)
        client.connect((address.host, address.port))
        client.send(text)
        return client.recv(65535)


class ProgramTests(TestCase):
    """Tests for the programs in this directory, as their clients see them."""

    def setUp(self):
        self.inetd = InetdService(str(CONF), text=TEXT)
        self.assertEqual(self.inetd.configuration.problems, ())
        self.inetd.startService()
        self.addCleanup(self.inetd.stopService)

    @inlineCallbacks
    def assertAnswers(self, how, name, text, answer):
        """Check the answer that a client of a service gets."""
        address = self.inetd.getHosts()[name]
        # The client blocks, and the superserver runs in the reactor's thread.
        received = yield deferToThread(how, address, text)
        self.assertEqual(received, answer)

    def test_connections(self):
        """The Python program answers in lower case."""
        return self.assertAnswers(talk, "lower.py", b"wEjLu\nUikO\n", b"wejlu\nuiko\n")

    def test_shell(self):
        """The shell program answers in lower case."""
        return self.assertAnswers(talk, "lower.sh", b"wEjLu\n", b"wejlu\n")

    def test_datagram(self):
        """The output of a program answers a datagram."""
        return self.assertAnswers(ask, "count", b"one two\nthree\n", b"2 3 14\n")

    def test_socket(self):
        """A C{wait} program answers a datagram in upper case."""
        return self.assertAnswers(ask, "upper", b"wEjLu", b"WEJLU")

    def test_internal(self):
        """An internal service answers without a program."""
        return self.assertAnswers(talk, "echo", b"text", b"text")
