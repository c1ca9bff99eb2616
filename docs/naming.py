# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Names in the text of the HTML pages.

Each C{name(section)} is a link to a man page.  A long dotted name can break at dots.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.application import Sphinx

_NAMED = re.compile(r"\b([a-z][\w.-]*)\(([1-8])\)")
#: A name that is too long for some lines.
_DOTTED = re.compile(r"(?=.{24})\w+(\.\w+)+")
#: Our own pages.
_OURS = {"inetd(8)": "man/inetd.8", "inetd.conf(5)": "man/inetd.conf.5"}
#: Pages that Debian does not have, or not by this name.
_ELSEWHERE = {
    "twistd(1)": "https://docs.twisted.org/en/stable/core/howto/basics.html#twistd",
}
#: All others.
_DEBIAN = "https://manpages.debian.org/{}.{}"
#: What is left as it is.
_BARE = (
    nodes.FixedTextElement,
    nodes.literal,
    nodes.reference,
    nodes.title,
    addnodes.manpage,
)


class Links(SphinxPostTransform):
    """Make each name of a man page a link."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Replace the texts and the C{manpage} roles."""
        for page in list(self.document.findall(addnodes.manpage)):
            page.replace_self(list(self._linked(page.astext())))
        for text in list(self.document.findall(nodes.Text)):
            if _NAMED.search(text) and not self._isBare(text):
                text.parent.replace(text, list(self._linked(text.astext())))

    def _isBare(self, node: nodes.Node) -> bool:
        """Return whether a node is within one that is left as it is."""
        within: nodes.Node | None = node
        while within is not None and not isinstance(within, _BARE):
            within = within.parent
        return within is not None

    def _linked(self, text: str) -> Iterator[nodes.Node]:
        """Generate the nodes of a text with links."""
        end = 0
        for match in _NAMED.finditer(text):
            if match.start() > end:
                yield nodes.Text(text[end : match.start()])
            yield nodes.reference(
                "", match[0], refuri=self._address(match), internal=match[0] in _OURS
            )
            end = match.end()
        if end < len(text):
            yield nodes.Text(text[end:])

    def _address(self, match: re.Match[str]) -> str:
        """Return where a page is."""
        if match[0] in _OURS:
            builder = self.app.builder
            return builder.get_relative_uri(self.env.docname, _OURS[match[0]])
        return _ELSEWHERE.get(match[0]) or _DEBIAN.format(match[1], match[2])


class Breaks(SphinxPostTransform):
    """Let a long dotted name, such as that of a test, break at its dots."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Split the literals with such a name."""
        for name in list(self.document.findall(nodes.literal)):
            if not _DOTTED.fullmatch(name.astext()):
                continue
            first, *others = name.astext().split(".")
            name.children = []
            name += nodes.Text(first)
            for each in others:
                name += [nodes.raw("", "<wbr>", format="html"), nodes.Text(f".{each}")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transforms."""
    app.add_post_transform(Links)
    app.add_post_transform(Breaks)
    return {"parallel_read_safe": True}
