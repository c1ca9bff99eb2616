# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the names that C{inetdtw} exports."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import get_type_hints

from twisted.trial.unittest import SynchronousTestCase

import inetdtw


class PublicTests(SynchronousTestCase):
    """Tests for C{inetdtw.__all__}."""

    def test_names(self) -> None:
        """Every public name is a class of this package with a docstring."""
        self.assertGreater(len(inetdtw.__all__), 5)
        for name in inetdtw.__all__:
            found = getattr(inetdtw, name)
            self.assertTrue(inspect.isclass(found), name)
            self.assertEqual(found.__name__, name)
            self.assertTrue(found.__module__.startswith("inetdtw."), name)
            self.assertTrue((found.__doc__ or "").strip(), name)
            self.assertIn(name, dir(inetdtw))

    def test_methods(self) -> None:
        """Every method of a public class that has no underscore has a docstring."""
        for name in inetdtw.__all__:
            for method, what in vars(getattr(inetdtw, name)).items():
                if inspect.isfunction(what) and not method.startswith("_"):
                    self.assertTrue(inspect.getdoc(what), f"{name}.{method}")

    def test_answers(self) -> None:
        """The return types of the superserver's methods are public."""
        found = set()
        for what in vars(inetdtw.InetdService).values():
            function = what.fget if isinstance(what, property) else what
            if inspect.isfunction(function) and not function.__name__.startswith("_"):
                # Those of arguments may need a newer Python.
                written = function.__annotations__.get("return")
                returned = SimpleNamespace(__annotations__={"return": written})
                hints = get_type_hints(returned, function.__globals__)
                hint = str(hints["return"])
                found.update(re.findall(r"inetdtw\.[\w.]+\.([A-Z]\w+)", hint))
        self.assertGreater(len(found), 3)
        self.assertEqual(found - set(inetdtw.__all__), set())

    def test_star(self) -> None:
        """C{from inetdtw import *} imports exactly the public names."""
        names: dict[str, object] = {}
        exec("from inetdtw import *", names)
        self.assertEqual(set(names) - {"__builtins__"}, set(inetdtw.__all__))

    def test_private(self) -> None:
        """Another name raises C{AttributeError}."""
        why = self.assertRaises(AttributeError, getattr, inetdtw, "Slot")
        self.assertIn("Slot", str(why))

    def test_cheap(self) -> None:
        """An import of the package does not import Twisted."""
        code = (
            "import sys, inetdtw; inetdtw.__version__; "
            "print([name for name in sys.modules if name.startswith('twisted')])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": ":".join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(done.stdout, "[]\n")
