# -*- test-case-name: inetdtw.control.test.test_client -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Asking the daemon by its control socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from inetdtw.control.path import Folder
from inetdtw.text import native

#: The seconds that a daemon may take for an answer.
PATIENCE = 10.0
#: The most that an answer is taken for.
LONGEST = 1 << 26


class NoDaemon(Exception):
    """No daemon answers; the message says why, and what to do."""


@dataclass(frozen=True)
class Said:
    """
    What the daemon has answered.

    @ivar status: the status code of HTTP.
    @ivar data: the object.
    """

    status: int
    data: Mapping[str, Any]

    @property
    def error(self) -> str | None:
        """What is wrong with what was asked, if anything is."""
        return self.data.get("error")


class _Connection(http.client.HTTPConnection):
    """A connection to a UNIX socket."""

    def __init__(self, path: str) -> None:
        super().__init__("inetd", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(native(self._path))


class Client:
    """Asks one daemon."""

    def __init__(self, path: str, usual: bool = False) -> None:
        """
        @param path: its control socket.
        @param usual: whether that was not said but found, so that its folder must not
            be one that another user could have put there.
        """
        self._path = path
        self._usual = usual

    def ask(self, method: str, path: str, **said: str) -> Said:
        """
        Ask for something.

        @raise NoDaemon: if there is no answer, or none of an inetd.
        """
        target = f"{path}?{urlencode(said, errors='surrogateescape')}" if said else path
        connection = _Connection(self._path)
        try:
            if self._usual:
                Folder(os.path.dirname(self._path), os.geteuid()).check()
            connection.request(method, target)
            answer = connection.getresponse()
            data = json.loads(answer.read(LONGEST))
        except OSError as why:
            raise NoDaemon(self._because(why)) from None
        except (http.client.HTTPException, ValueError):
            raise NoDaemon(f"what answers at '{self._path}' is no inetd") from None
        finally:
            connection.close()
        # What is wrong has a reason; but for 503, which only says that something is.
        foreign = answer.status >= 400 and answer.status != 503
        if not isinstance(data, dict) or (foreign and "error" not in data):
            raise NoDaemon(f"what answers at '{self._path}' is no inetd")
        return Said(answer.status, data)

    def _because(self, why: OSError) -> str:
        """Why nobody answers, and what to do."""
        reason = why.strerror or str(why)
        hint = "; --control says where else"
        if isinstance(why, PermissionError):
            hint = "; only the user who runs it, and root, may ask it"
        return f"no daemon answers at '{self._path}': {reason}{hint}"
