# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.api}."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.control.api import OperatorAPI, Response, respondToScrape
from inetdtw.model.changes import Changes, ReloadResult
from inetdtw.model.clients import ClientList
from inetdtw.model.errors import ConfError, Location, fromJSON
from inetdtw.model.selection import AmbiguousService
from inetdtw.model.state import DaemonState, Draining, PauseReason, ServiceState
from inetdtw.model.test.test_clients import CLIENTS
from inetdtw.model.test.test_state import DAEMON, ONE
from inetdtw.test.fakes import makeService

NOTHING: Mapping[str, str] = {}


class FakeInetd:
    """
    A superserver that records the calls of its methods.

    @ivar called: the calls.
    @ivar failure: what each call raises, if anything.
    @ivar reloaded: the result of a reload.
    """

    def __init__(self) -> None:
        """Start without calls."""
        self.called: list[Any] = []
        self.failure: Exception | None = None
        self.now = DAEMON
        self.reloaded = ReloadResult(Changes(keep=(makeService(name="7/tcp"),)))
        self.drained: Deferred[None] = Deferred()

    def state(self) -> DaemonState:
        """Return its state."""
        return self.now

    def clients(self, service: str | None = None) -> ClientList:
        """Record the call."""
        if self.failure is not None:
            raise self.failure
        self.called.append(("clients", service))
        return CLIENTS

    def pause(self, service: str) -> ServiceState:
        """Record the call."""
        return self._call("pause", service)

    def resume(self, service: str) -> ServiceState:
        """Record the call."""
        return self._call("resume", service)

    def _call(self, *what: str) -> ServiceState:
        """Record the call, or fail."""
        if self.failure is not None:
            raise self.failure
        self.called.append(what)
        return ONE

    def reload(self) -> ReloadResult:
        """Record the call."""
        self.called.append("reload")
        return self.reloaded

    def drain(self) -> Deferred[None]:
        """Record the call."""
        self.called.append("drain")
        return self.drained


class OperatorAPITests(SynchronousTestCase):
    """Tests for L{OperatorAPI}."""

    def setUp(self) -> None:
        """Make a superserver."""
        self.inetd = FakeInetd()
        self.ends = 0
        self.api = OperatorAPI(self.inetd, self.end)

    def end(self) -> None:
        """Record that the daemon is to exit."""
        self.ends += 1

    def ask(
        self, method: str, path: str, query: Mapping[str, str] = NOTHING
    ) -> tuple[int, Any]:
        """Send a request, and return the JSON response."""
        answer = self.api.respond(method, path, query)
        self.assertEqual(answer.mediaType, "application/json")
        return answer.status, json.loads(answer.body)

    def test_status(self) -> None:
        """The state is returned as it is."""
        self.assertEqual(self.ask("GET", "/status"), (200, DAEMON.asJSON()))
        self.assertEqual(self.ask("HEAD", "/status")[0], 200)

    def test_health(self) -> None:
        """Health is a status code, with the services in trouble."""
        self.assertEqual(self.ask("GET", "/health")[0], 200)
        bad = replace(ONE, pauses=(PauseReason.UNBOUND,), reason="in use")
        self.inetd.now = replace(DAEMON, services=(ONE, bad))
        status, answer = self.ask("GET", "/health")
        self.assertEqual((status, answer["healthy"]), (503, False))
        trouble = {"state": "bind failed", "reason": "in use"}
        self.assertEqual(answer["trouble"], {"7/tcp": trouble})
        self.inetd.now = replace(DAEMON, problems=("a.conf:1:1: x",))
        status, answer = self.ask("GET", "/health")
        self.assertEqual((status, answer["problems"]), (503, ["a.conf:1:1: x"]))

    def test_metrics(self) -> None:
        """The metrics have their own format."""
        answer = self.api.respond("GET", "/metrics", NOTHING)
        self.assertIn("version=0.0.4", answer.mediaType)
        self.assertIn(b"inetd_info", answer.body)

    def test_service(self) -> None:
        """A service is paused and resumed by its name."""
        for word in ("pause", "resume"):
            status, answer = self.ask("POST", f"/{word}", {"service": "7"})
            self.assertEqual((status, answer), (200, ONE.asJSON()))
        self.assertEqual(self.inetd.called, [("pause", "7"), ("resume", "7")])

    def test_refused(self) -> None:
        """The response to a request that fails has the reason."""
        for failure, code in ((AmbiguousService("which?"), 404), (Draining(), 409)):
            self.inetd.failure = failure
            status, answer = self.ask("POST", "/pause", {"service": "7"})
            self.assertEqual((status, answer), (code, {"error": str(failure)}))

    def test_arguments(self) -> None:
        """A wrong number of arguments is an error without an effect."""
        for path, query in (
            ("/pause", {}),
            ("/pause", {"service": "7", "x": "y"}),
            ("/resume", {"name": "7"}),
            ("/drain", {"service": "7"}),
            ("/reload", {"service": "7"}),
        ):
            self.assertEqual(self.ask("POST", path, query)[0], 400, path)
        self.assertEqual(self.inetd.called, [])

    def test_methods(self) -> None:
        """A method that does not match is an error, which lists the right ones."""
        for path in ("/reload", "/pause", "/resume", "/drain"):
            answer = self.api.respond("GET", path, NOTHING)
            self.assertEqual((answer.status, answer.allowed), (405, ("POST",)))
        answer = self.api.respond("POST", "/status", NOTHING)
        self.assertEqual((answer.status, answer.allowed), (405, ("GET", "HEAD")))
        self.assertEqual(self.inetd.called, [])

    def test_clients(self) -> None:
        """The clients are those of one service, or of all."""
        for query, word in ((NOTHING, None), ({"service": "7"}, "7")):
            self.assertEqual(
                self.ask("GET", "/clients", query), (200, CLIENTS.asJSON())
            )
            self.assertEqual(self.inetd.called.pop(), ("clients", word))
        code, answer = self.ask("GET", "/clients", {"name": "7"})
        self.assertEqual(code, 400)
        self.assertEqual(
            answer["error"], "/clients takes the argument 'service' or none"
        )
        self.inetd.failure = AmbiguousService("'8' is not a service")
        self.assertEqual(self.ask("GET", "/clients", {"service": "8"})[0], 404)

    def test_unknown(self) -> None:
        """For an unknown path, the error lists the known ones."""
        for path in ("/", "/x", "/status/", "*", ""):
            status, answer = self.ask("GET", path)
            self.assertEqual(status, 404)
            self.assertIn("/status, /clients, /health", answer["error"])

    def test_reload(self) -> None:
        """The response to a reload has the changes."""
        status, answer = self.ask("POST", "/reload")
        self.assertEqual(
            (status, answer["kept"], answer["started"]), (200, ["7/tcp"], [])
        )

    def test_brokenFile(self) -> None:
        """The response to a rejected reload has the errors."""
        problem = ConfError(Location("inetd.conf", 3, 5), "user", "why?")
        self.inetd.reloaded = ReloadResult(None, (problem,))
        status, answer = self.ask("POST", "/reload")
        where = {"file": "inetd.conf", "line": 3, "column": 5}
        wanted = [{**where, "field": "user", "reason": "why?"}]
        self.assertEqual((status, answer["problems"]), (422, wanted))
        self.assertEqual(str(fromJSON(wanted[0])), str(problem))
        self.assertIn("the old one stays", answer["error"])

    def test_reloadDraining(self) -> None:
        """A daemon that drains does not reload."""
        self.inetd.now = replace(DAEMON, draining=True)
        problem = ConfError(Location("inetd.conf", 1), "file", "x")
        self.inetd.reloaded = ReloadResult(None, (problem,))
        self.assertEqual(self.ask("POST", "/reload")[0], 409)

    def test_drain(self) -> None:
        """The response to a drain is immediate; the daemon exits once."""
        for _ in range(2):
            status, answer = self.ask("POST", "/drain")
            self.assertEqual((status, answer["running"]), (202, 2))
        self.assertEqual(self.ends, 0)
        self.inetd.drained.callback(None)
        self.assertEqual(self.ends, 1)

    def test_stop(self) -> None:
        """The response to a stop has the process id; the daemon exits."""
        self.assertEqual(self.ask("POST", "/stop"), (202, {"pid": 7}))
        self.assertEqual(self.ends, 1)


class RespondToScrapeTests(SynchronousTestCase):
    """Tests for L{respondToScrape}."""

    def respond(self, method: str, path: str) -> Response:
        """Send a request."""
        return respondToScrape(lambda: DAEMON, method, path, NOTHING)

    def test_metrics(self) -> None:
        """The metrics can be read, and nothing can be changed."""
        self.assertIn(b"inetd_info", self.respond("GET", "/metrics").body)
        self.assertEqual(self.respond("GET", "/status").status, 404)
        self.assertEqual(self.respond("POST", "/drain").status, 404)
        self.assertEqual(self.respond("POST", "/metrics").status, 405)
