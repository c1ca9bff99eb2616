# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The schemas of JSON, which the output of a daemon is held against."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import jsonschema

from inetdtw.model.clients import WAYS
from inetdtw.model.state import CONDITIONS, PauseReason
from tests.support import checkout
from tests.support.control import ControlTestCase
from tests.support.daemon import freePort, talk

_DIRECTORY = os.path.join(checkout.path(), "share", "inetdtw")


def schema(name: str) -> Any:
    """Return the schema of C{status}, C{clients} or C{health}."""
    with open(os.path.join(_DIRECTORY, f"{name}.schema.json")) as file:
        return json.load(file)


def objects(part: Any) -> Iterator[Any]:
    """Yield all objects in a schema or a reply."""
    if isinstance(part, dict):
        yield part
    for each in part.values() if isinstance(part, dict) else part:
        if isinstance(each, (dict, list)):
            yield from objects(each)


class SchemaTests(ControlTestCase):
    """Tests for C{share/inetdtw}."""

    def check(self, name: str, reply: Any) -> None:
        """Assert that a reply has what the schema says, and nothing else."""
        validator = jsonschema.Draft202012Validator(schema(name))
        errors = [
            f"{each.json_path}: {each.message}" for each in validator.iter_errors(reply)
        ]
        self.assertEqual(errors, [])

    def test_output(self) -> None:
        """The replies of a daemon with all sorts of services have the schema."""
        missing, taken, echo = freePort(), freePort(), freePort()
        self.conf += (
            f"127.0.0.1:{missing} stream tcp nowait - /no/such such\n"
            f"127.0.0.1:{taken} stream tcp nowait - /bin/cat cat\n"
            f"127.0.0.1:{echo} stream tcp nowait - internal echo\n"
        )
        with socket.create_server(("127.0.0.1", taken)):
            self.start()
            for _ in range(3):
                talk(missing, b"")
            talk(self.bad, b"")
            self.becomes(missing, "state", "failing")
            self.becomes(self.bad, "exited", 1)
            self.connect(self.cat), self.connect(echo)
            self.becomes(echo, "running", 1)
            self.becomes(self.cat, "running", 1)
            reply = json.loads(self.run_("status", "--json")[1])
            clients = json.loads(self.run_("clients", "--json")[1])
            health = json.loads(self.ask("GET", "/health")[1])
        self.check("status", reply)
        self.check("clients", clients)
        self.check("health", health)
        self.assertEqual(len(clients["clients"]), 2)
        self.assertEqual(len(health["trouble"]), 2)
        self.assertTrue(any(each["last_failure"] for each in reply["services"]))
        self.assertTrue(any(each["last_exit"] for each in reply["services"]))

    def test_closed(self) -> None:
        """Each member that a schema describes is required, and there are no others."""
        for name in ("status", "clients", "health"):
            content = schema(name)
            jsonschema.Draft202012Validator.check_schema(content)
            for each in objects(content):
                if isinstance(each.get("properties"), dict) and "type" in each:
                    members = each["properties"]
                    self.assertEqual(each["required"], list(members))
                    self.assertIs(each["additionalProperties"], False)
                    for member, about in members.items():
                        self.assertTrue(about["description"].endswith("."), member)

    def test_words(self) -> None:
        """The states, reasons and ways are those of the daemon."""
        service = schema("status")["$defs"]["service"]["properties"]
        self.assertEqual(service["state"]["enum"], list(CONDITIONS))
        reasons = [each.value for each in PauseReason]
        self.assertEqual(service["pauses"]["items"]["enum"], reasons)
        trouble = schema("health")["properties"]["trouble"]["additionalProperties"]
        self.assertEqual(trouble["properties"]["state"]["enum"], list(CONDITIONS))
        client = schema("clients")["properties"]["clients"]["items"]["properties"]
        self.assertEqual(client["how"]["enum"], list(WAYS))
