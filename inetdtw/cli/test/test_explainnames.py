# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the names by which L{inetdtw.cli.explain} finds a service."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import explain
from inetdtw.cli.test.test_explain import PLAIN, ROOT, servicesOf
from inetdtw.model.service import Service


class NamesTests(SynchronousTestCase):
    """Tests for the first argument of L{explain.explain}."""

    def explain(self, wanted: str) -> list[Service]:
        """Return the services of the output."""
        lines: list[str] = []
        self.patch(explain, "out", lines.append)
        self.patch(explain, "err", lambda line: None)
        explain.explain(wanted, [self.path], PLAIN, ROOT)
        return [service for _, service in servicesOf("\n".join(lines))]

    def test_everyName(self) -> None:
        """Each name that the file or C{status} has finds a service."""
        self.path = os.path.abspath(self.mktemp())
        with open(self.path, "w", encoding="ascii") as file:
            file.write(
                "daytime stream tcp nowait root internal\n"
                "daytime stream tcp6 nowait root internal\n"
                "127.0.0.1,127.0.0.2:\n"
                "echo stream tcp4 nowait root internal\n"
                "localhost:tftp dgram udp wait root /bin/cat\n"
                "tcpmux/+x stream tcp nowait root /bin/cat\n"
                ":root:mail:0660:/s stream unix nowait root internal echo\n"
            )
        for words, location in {
            ("daytime/tcp", "0.0.0.0:13", "*:daytime/tcp4"): (1, "0.0.0.0:13"),
            ("daytime/tcp#2", "daytime/tcp6", "[::]:13"): (2, "[::]:13"),
            ("127.0.0.2:echo", "127.0.0.2:7", "echo/tcp4@127.0.0.2", "127.0.0.2:7/tcp",
             "127.0.0.2:echo/tcp"): (4, "127.0.0.2:7"),
            ("tftp", "tftp/udp", "69", "localhost:tftp", "localhost:69/udp", "'69'"):
                (5, "127.0.0.1:69"),
            ("tcpmux/+x", "tcpmux/x", "x"): (6, "tcpmux/x"),
            ("/s", "/s/unix", '"/s"', ":root:mail:0660:/s"): (7, "/s"),
        }.items():  # fmt: skip
            for word in words:
                found = [str(each.address) for each in self.explain(word)]
                self.assertEqual(found, [location[1]], word)
        for word, count in (("daytime", 2), ("13", 2), ("echo/tcp", 2), ("tcpmux", 0)):
            self.assertEqual(len(self.explain(word)), count, word)
        joined = self.explain("127.0.0.1,127.0.0.2:echo")
        self.assertEqual(len(joined), 2)
