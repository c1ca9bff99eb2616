# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Sequence diagrams: the directive C{sequence}, which graphviz(7) draws.

Its first line names the participants, with C{|} between them.  The others are, in order
of time, messages, C{FROM -> TO: TEXT}, and what a participant does, C{NAME: TEXT}.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils.statemachine import StringList
from sphinx.ext.graphviz import Graphviz

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docutils import nodes
    from sphinx.application import Sphinx

#: Inches between two participants, and between two lines.
COLUMN, ROW = 2.2, 0.34

_LINE = re.compile(r"(?P<name>[^:>]+?)(?: -> (?P<to>[^:]+))?: (?P<text>.+)")
_HEAD = """\
layout=neato; splines=line; bgcolor=transparent;
node [shape=plaintext, fontname=Helvetica, fontsize=10, height=0.24, width=0.1,
  margin="0.06,0.03"];
edge [fontname=Helvetica, arrowsize=0.6];"""


class Diagram:
    """A diagram in the language of graphviz(7)."""

    def __init__(self, lines: Sequence[str]) -> None:
        """
        Read the lines of the directive.

        @raise ValueError: if a line has another form, or another participant than the
            first line.
        """
        head, *steps = lines
        self._names = [name.strip() for name in head.split("|")]
        self._rows = [self._row(y, line) for y, line in enumerate(steps, 1)]

    def _x(self, name: str) -> float:
        """Return where a participant is, in inches."""
        return self._names.index(name.strip()) * COLUMN

    def _row(self, y: int, line: str) -> str:
        """Return the statements for one line."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"neither 'FROM -> TO: TEXT' nor 'NAME: TEXT': {line}")
        text = match["text"].replace('"', r"\"")
        x = self._x(match["name"])
        if match["to"] is None:
            style = 'shape=box, style="filled", fillcolor="#eef3f8", color="#9aa5b1"'
            return _node(f"t{y}", x, y, f'label="{text}", {style}')
        to = self._x(match["to"])
        return "\n".join(
            (
                _node(f"a{y}", x, y + 0.2, "shape=point, width=0.01"),
                _node(f"b{y}", to, y + 0.2, "shape=point, width=0.01"),
                f"a{y} -> b{y};",
                _node(f"t{y}", (x + to) / 2, y - 0.2, f'label="{text}"'),
            )
        )

    def dot(self) -> Iterator[str]:
        """Generate the lines."""
        end = len(self._rows) + 0.7
        yield "digraph {"
        yield _HEAD
        for number, name in enumerate(self._names):
            x = number * COLUMN
            yield _node(f"h{number}", x, 0, f'label="{name}", shape=box')
            yield _node(f"e{number}", x, end, "shape=point, width=0.01")
            yield f'h{number} -> e{number} [dir=none, style=dashed, color="#9aa5b1"];'
        yield from self._rows
        yield "}"


def _node(name: str, x: float, y: float, more: str) -> str:
    """Return the statement for a node at a place."""
    return f'{name} [pos="{x:.2f},{-y * ROW:.2f}!", {more}];'


class Sequences(Graphviz):
    """The directive C{sequence}; its options are those of C{graphviz}."""

    def run(self) -> list[nodes.Node]:
        """Make the diagram."""
        lines = [line for line in self.content if line.strip()]
        try:
            text = list(Diagram(lines).dot())
        except ValueError as why:
            raise self.error(str(why)) from why
        self.content = StringList("\n".join(text).split("\n"), source="sequence")
        return super().run()


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.setup_extension("sphinx.ext.graphviz")
    app.add_directive("sequence", Sequences)
    return {"parallel_read_safe": True}
