# -*- test-case-name: inetdtw.control.test.test_api -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The operator's API, whatever transports its requests.

::

    GET  /status                 the state of the daemon and its services
    GET  /clients?service=NAME   who is served now, by a service or by all
    GET  /health                 200 if there is nothing to mend, otherwise 503
    GET  /metrics                metrics for Prometheus
    POST /reload                 read the configuration again
    POST /pause?service=NAME     accept no clients of a service
    POST /resume?service=NAME    accept them again
    POST /drain                  accept no more clients, exit when no program runs
    POST /stop                   exit now

All responses but the metrics are JSON.  An error is the member C{error}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from inetdtw.control.metrics import MEDIA_TYPE, exposition
from inetdtw.model.changes import Changes, ReloadResult
from inetdtw.model.errors import toJSON
from inetdtw.model.selection import AmbiguousService
from inetdtw.model.state import DaemonState, Draining

_JSON = "application/json"
_READ, _WRITE = ("GET", "HEAD"), ("POST",)
#: The arguments of paths that have any, in words.
_NEEDS = "needs the argument 'service'"
_MAY_HAVE = "takes the argument 'service' or none"
_TAKES = {"/pause": _NEEDS, "/resume": _NEEDS, "/clients": _MAY_HAVE}


@dataclass(frozen=True)
class Response:
    """
    A response in terms of HTTP.

    @ivar status: the status code.
    @ivar body: the body.
    @ivar mediaType: the media type of the body.
    @ivar allowed: the methods that are allowed, if the status is 405.
    """

    status: int
    body: bytes
    mediaType: str = _JSON
    allowed: tuple[str, ...] = ()


#: Executes a request: a method in upper case, a path with the leading slash, and the
#: arguments of the query or the form.
Respond = Callable[[str, str, Mapping[str, str]], Response]


def jsonResponse(status: int, members: Mapping[str, object]) -> Response:
    """Return a response whose body is an object."""
    return Response(status, json.dumps(members, indent=2).encode() + b"\n")


def errorResponse(status: int, why: str, allowed: tuple[str, ...] = ()) -> Response:
    """Return a response that reports an error."""
    body = json.dumps({"error": why}).encode() + b"\n"
    return Response(status, body, allowed=allowed)


def metricsResponse(state: DaemonState) -> Response:
    """Return the metrics."""
    return Response(200, exposition(state).encode(), MEDIA_TYPE)


def respondToScrape(
    state: Callable[[], DaemonState],
    method: str,
    path: str,
    arguments: Mapping[str, str],
) -> Response:
    """
    Execute a request for what is not only for operators: the metrics.

    For the other parameters see L{Respond}.

    @param state: returns the state of the daemon.
    """
    if path not in ("/", "/metrics"):
        return errorResponse(404, "not found: the only path is /metrics")
    if method not in _READ:
        return errorResponse(405, f"/metrics needs {' or '.join(_READ)}", _READ)
    return metricsResponse(state())


class OperatorAPI:
    """The API of the control socket."""

    def __init__(self, inetd: Any, exit: Callable[[], object]) -> None:
        """
        Serve a superserver.

        @param inetd: an L{inetdtw.InetdService}.
        @param exit: called at C{/stop}, and after C{/drain} when no program runs any
            more.
        """
        self._inetd = inetd
        self._exit = exit
        self._draining = False
        self._routes: dict[str, tuple[tuple[str, ...], Callable[..., Response]]] = {
            "/status": (_READ, self._status),
            "/clients": (_READ, self._clients),
            "/health": (_READ, self._health),
            "/metrics": (_READ, lambda: metricsResponse(inetd.state())),
            "/reload": (_WRITE, self._reload),
            "/pause": (_WRITE, self._pause),
            "/resume": (_WRITE, self._resume),
            "/drain": (_WRITE, self._drain),
            "/stop": (_WRITE, self._stop),
        }

    def respond(self, method: str, path: str, arguments: Mapping[str, str]) -> Response:
        """Execute a request, see L{Respond}."""
        methods, act = self._routes.get(path, ((), self._status))
        if not methods:
            return errorResponse(404, f"not found: paths are {', '.join(self._routes)}")
        if method not in methods:
            return errorResponse(405, f"{path} needs {' or '.join(methods)}", methods)
        takes = _TAKES.get(path, "takes no arguments")
        if not _fits(takes, set(arguments)):
            return errorResponse(400, f"{path} {takes}")
        try:
            return act(**arguments)
        except AmbiguousService as why:
            return errorResponse(404, str(why))
        except Draining as why:
            return errorResponse(409, str(why))

    def _status(self) -> Response:
        return jsonResponse(200, self._inetd.state().asJSON())

    def _clients(self, service: str | None = None) -> Response:
        return jsonResponse(200, self._inetd.clients(service).asJSON())

    def _health(self) -> Response:
        state = self._inetd.state()
        trouble = [each for each in state.services if not each.healthy]
        members = {
            "pid": state.pid,
            "healthy": state.healthy,
            "draining": state.draining,
            "problems": list(state.problems),
            "trouble": {
                each.name: {"state": each.condition, "reason": each.reason}
                for each in trouble
            },
        }
        return jsonResponse(200 if state.healthy else 503, members)

    def _pause(self, service: str) -> Response:
        return jsonResponse(200, self._inetd.pause(service).asJSON())

    def _resume(self, service: str) -> Response:
        return jsonResponse(200, self._inetd.resume(service).asJSON())

    def _reload(self) -> Response:
        done: ReloadResult = self._inetd.reload()
        if self._inetd.state().draining:
            raise Draining()
        found = {
            "problems": list(map(toJSON, done.problems)),
            "warnings": list(map(toJSON, done.warnings)),
        }
        if done.changes is None:
            why = "the configuration has errors: the old one stays"
            return jsonResponse(422, {"error": why, **found})
        return jsonResponse(200, {**_names(done.changes), **found})

    def _drain(self) -> Response:
        drained = self._inetd.drain()
        if not self._draining:
            self._draining = True
            drained.addCallback(lambda _: self._exit())
        state = self._inetd.state()
        members = {"draining": True, "running": state.running, "pid": state.pid}
        return jsonResponse(202, members)

    def _stop(self) -> Response:
        self._exit()
        return jsonResponse(202, {"pid": self._inetd.state().pid})


def _fits(takes: str, given: set[str]) -> bool:
    """Return whether a path gets the arguments that it takes."""
    if takes == _NEEDS:
        return given == {"service"}
    return given <= {"service"} if takes == _MAY_HAVE else not given


def _names(changes: Changes) -> dict[str, list[str]]:
    """Return the names of the services that a reload kept, changed, and so on."""
    return {
        "kept": [each.name for each in changes.keep],
        "changed": [each.name for each in changes.change],
        "started": [each.name for each in changes.start],
        "stopped": [each.name for each in changes.stop],
    }
