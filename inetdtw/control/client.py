# -*- test-case-name: inetdtw.control.test.test_client -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The client of the control socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from inetdtw.control.path import SocketDirectory
from inetdtw.system.peer import peerOf
from inetdtw.text import native

#: The timeout of a request, in seconds.
TIMEOUT = 10.0
#: The bytes of the longest reply.
LONGEST = 1 << 26


class NoDaemon(Exception):
    """No daemon replies; the message says why, and what to do."""


class _Connection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("inetd", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(native(self._path))

    def pid(self) -> int:
        """
        Connect, and return the daemon's process id as this process sees it.

        @return: 0 if it is in another PID namespace, or unknown.
        @raise OSError: if there is no connection.
        """
        self.connect()
        peer = peerOf(self.sock)
        return 0 if peer is None else peer.pid


class Client:
    """
    A client of one daemon.

    @ivar pid: the process id of the daemon that was asked last, in this process' own
        PID namespace; 0 if it has none there.
    """

    def __init__(self, path: str, usual: bool = False) -> None:
        """
        Set the path; each request connects to it.

        @param path: the control socket.
        @param usual: whether that is the default path, whose directory another user
            could have made: it is checked.
        """
        self._path = path
        self._usual = usual
        self.pid = 0

    def ask(self, method: str, path: str, **arguments: str) -> Mapping[str, Any]:
        """
        Send a request, and wait for the reply.

        @return: the object in the reply; if the daemon rejects the request, its
            member C{error} is the reason.

        @raise NoDaemon: if there is no reply, or not an inetd's.
        """
        query = urlencode(arguments, errors="surrogateescape")
        connection = _Connection(self._path)
        try:
            if self._usual:
                SocketDirectory(os.path.dirname(self._path), os.geteuid()).check()
            self.pid = connection.pid()
            connection.request(method, f"{path}?{query}" if query else path)
            response = connection.getresponse()
            data = json.loads(response.read(LONGEST))
        except OSError as why:
            raise NoDaemon(self._reason(why)) from None
        except (http.client.HTTPException, ValueError):
            raise self._notInetd() from None
        finally:
            connection.close()
        # An inetd gives a reason for each error but 503, which is for probes.
        foreign = response.status >= 400 and response.status != 503
        if not isinstance(data, dict) or (foreign and "error" not in data):
            raise self._notInetd()
        return data

    def _notInetd(self) -> NoDaemon:
        return NoDaemon(f"'{self._path}' is not an inetd control socket")

    def _reason(self, why: OSError) -> str:
        """Return why there is no reply, and what to do."""
        reason = why.strerror or str(why)
        hint = "; --control sets another path"
        if isinstance(why, PermissionError):
            hint = "; only the daemon's user and root may use it"
        return f"no daemon answers at '{self._path}': {reason}{hint}"
