# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A daemon is the same after a long load; L{tests.soak} has longer ones."""

from __future__ import annotations

from tests.soak.mixed import Mixed
from tests.soak.survival import Survival
from tests.support.serving import ServingTestCase


class SurvivalTests(ServingTestCase):
    """Clients of all services, reloads, and processes that are killed."""

    def test_survival(self) -> None:
        """
        A daemon leaks nothing while clients, reloads and kills follow each other.

        Descriptors, threads, fork servers and warm processes are as many as before, no
        process is a zombie, and memory hardly grows.
        """
        mixed = Mixed(self.directory)
        with mixed.daemon() as daemon:
            survival = Survival(mixed, daemon)
            survival.run(2, 0.3)
            survival.replaceServers()
            before = survival.settled()
            survival.run(5, 0.3)
            after = survival.settled(before)
        self.assertEqual(before.zombies, 0)
        self.assertFalse(after.grown(before), f"{before}\n{after}")
        outcomes = survival.outcomes
        self.assertGreater(outcomes.counts["right"], 10)
        self.assertEqual(outcomes.counts["wrong"], 0, outcomes.others)
        self.assertGreater(min(survival.reloads, survival.kills), 0)
