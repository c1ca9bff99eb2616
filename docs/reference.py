# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The reference of options, generated from their declarations."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, String, Text
from sphinx.util.docutils import SphinxDirective

from inetdtw.cli import main
from inetdtw.cli.usage import Option, grouped, optionsOf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils import nodes
    from sphinx.application import Sphinx


def escaped(text: str) -> str:
    """Return a text with all markup escaped."""
    return re.sub(r"([\\*`|_<])", r"\\\1", text)


class InetdLexer(RegexLexer):
    """Colours for inetd.conf(5)."""

    name = "inetd"
    aliases = ["inetd"]
    tokens = {
        "root": [
            (r"^#.*$", Comment),
            (r"^\.include\b", Keyword),
            (r'"[^"]*"|\'[^\']*\'', String),
            (
                r"\b(on|off|stream|dgram|tcp\w*|udp\w*|unix|wait|nowait|internal)\b",
                Keyword,
            ),
            (r"\b\w+(?=\s*=)", Name.Attribute),
            (r"[\w./-]+|\s+|.", Text),
        ]
    }


def optionLines(option: Option) -> Iterator[str]:
    """Generate the description of an option, in reStructuredText."""
    names = ", ".join(f"{name} {option.argument}".rstrip() for name in option.names)
    yield f".. option:: {names}"
    yield ""
    yield f"   {escaped(option.about)}"
    yield ""


class Options(SphinxDirective):
    """The directive C{inetd-options}: all options of C{inetd}, in groups."""

    def run(self) -> list[nodes.Node]:
        """Make the descriptions."""
        options = optionsOf(main.InetdOptions())
        lines: list[str] = []
        for title, found in grouped(options):
            lines += [title, "~" * len(title), ""]
            for option in found:
                lines += optionLines(option)
        for option in options:
            if len(option.name) == 1:
                lines += optionLines(option)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the lexer."""
    app.add_directive("inetd-options", Options)
    app.add_lexer("inetd", InetdLexer)
    return {"parallel_read_safe": True}
