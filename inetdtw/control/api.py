# -*- test-case-name: inetdtw.control.test.test_api -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What the control socket answers, whatever carries the questions::

    GET  /status                 how everything is
    GET  /health                 200 if all services do what they should, otherwise 503
    GET  /metrics                the same figures for Prometheus
    POST /reload                 read the configuration again
    POST /pause?service=NAME     take no clients of a service
    POST /resume?service=NAME    take them again
    POST /drain                  take no more clients, and end when no program runs

All but the metrics is JSON; what went wrong is the member C{error}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from inetdtw.control.metrics import KIND, exposition
from inetdtw.model.changes import Changes, ReloadResult
from inetdtw.model.selection import AmbiguousService
from inetdtw.model.state import DaemonState, Draining

_JSON = "application/json"
_READ, _WRITE = ("GET", "HEAD"), ("POST",)


@dataclass(frozen=True)
class Answer:
    """
    An answer in terms of HTTP.

    @ivar status: the status code.
    @ivar body: what it says.
    @ivar kind: the media type.
    @ivar allowed: the methods that would have been right, if that was wrong.
    """

    status: int
    body: bytes
    kind: str = _JSON
    allowed: tuple[str, ...] = ()


def inJSON(status: int, what: Mapping[str, Any]) -> Answer:
    """An answer that is an object."""
    return Answer(status, json.dumps(what, indent=2).encode() + b"\n")


def wrong(status: int, why: str, allowed: tuple[str, ...] = ()) -> Answer:
    """An answer that says what is wrong."""
    body = json.dumps({"error": why}).encode() + b"\n"
    return Answer(status, body, allowed=allowed)


def metrics(state: DaemonState) -> Answer:
    """The figures for Prometheus."""
    return Answer(200, exposition(state).encode(), KIND)


class Scraped:
    """Answers nothing but how everything is, in figures: for those who are no operators."""

    def __init__(self, state: Callable[[], DaemonState]) -> None:
        self._state = state

    def answer(self, method: str, path: str, said: Mapping[str, str]) -> Answer:
        """Answer a question."""
        if path not in ("/", "/metrics"):
            return wrong(404, "there is nothing but /metrics")
        if method not in _READ:
            return wrong(405, f"/metrics takes {' or '.join(_READ)}", _READ)
        return metrics(self._state())


class Operated:
    """Answers an operator, and does what an operator wants."""

    def __init__(self, inetd: Any, drained: Callable[[], object]) -> None:
        """
        @param inetd: an L{inetdtw.InetdService}.
        @param drained: called when no program runs any more, if that was wanted.
        """
        self._inetd = inetd
        self._drained = drained
        self._draining = False
        self._routes: dict[str, tuple[tuple[str, ...], Callable[..., Answer]]] = {
            "/status": (_READ, self._status),
            "/health": (_READ, self._health),
            "/metrics": (_READ, lambda: metrics(inetd.state())),
            "/reload": (_WRITE, self._reload),
            "/pause": (_WRITE, self._pause),
            "/resume": (_WRITE, self._resume),
            "/drain": (_WRITE, self._drain),
        }

    def answer(self, method: str, path: str, said: Mapping[str, str]) -> Answer:
        """
        Answer a question.

        @param method: in capital letters.
        @param path: with the slash in front.
        @param said: the arguments.
        """
        methods, act = self._routes.get(path, ((), self._status))
        if not methods:
            return wrong(404, f"there is only {', '.join(self._routes)}")
        if method not in methods:
            return wrong(405, f"{path} takes {' or '.join(methods)}", methods)
        wanted = {"service"} if path in ("/pause", "/resume") else set()
        if set(said) != wanted:
            takes = "the argument 'service'" if wanted else "no arguments"
            return wrong(400, f"{path} takes {takes}")
        try:
            return act(**said)
        except AmbiguousService as why:
            return wrong(404, str(why))
        except Draining as why:
            return wrong(409, str(why))

    def _status(self) -> Answer:
        """How everything is."""
        return inJSON(200, self._inetd.state().asJSON())

    def _health(self) -> Answer:
        """Whether everything is as it should be."""
        state = self._inetd.state()
        trouble = [each for each in state.services if not each.healthy]
        said = {
            "healthy": state.healthy,
            "draining": state.draining,
            "trouble": {each.name: each.condition for each in trouble},
        }
        return inJSON(200 if state.healthy else 503, said)

    def _pause(self, service: str) -> Answer:
        """Take no clients of a service."""
        return inJSON(200, self._inetd.pause(service).asJSON())

    def _resume(self, service: str) -> Answer:
        """Take clients of a service again."""
        return inJSON(200, self._inetd.resume(service).asJSON())

    def _reload(self) -> Answer:
        """Read the configuration again."""
        done: ReloadResult = self._inetd.reload()
        if self._inetd.state().draining:
            raise Draining()
        said = {"problems": list(done.problems), "warnings": list(done.warnings)}
        if done.changes is None:
            why = "the configuration has mistakes: the old one stays"
            return inJSON(422, {"error": why, **said})
        return inJSON(200, {**_names(done.changes), **said})

    def _drain(self) -> Answer:
        """Take no more clients, and end when no program runs."""
        drained = self._inetd.drain()
        if not self._draining:
            self._draining = True
            drained.addCallback(lambda _: self._drained())
        return inJSON(202, {"draining": True, "running": self._inetd.state().running})


def _names(changes: Changes) -> dict[str, list[str]]:
    """What a reload has changed, by the names of the services."""
    return {
        "kept": [each.name for each in changes.keep],
        "changed": [each.name for each in changes.change],
        "started": [each.name for each in changes.start],
        "stopped": [each.name for each in changes.stop],
    }
