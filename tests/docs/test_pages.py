# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The HTML pages: they fit narrow and wide screens, and their links lead somewhere.

Pages of other hosts are not fetched; C{docs/README.rst} says how to do that.
"""

from __future__ import annotations

import importlib.util
import os
import posixpath
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from twisted.trial.unittest import SynchronousTestCase

from tests.support import browser, checkout
from tests.support.serving import ServingTestCase

#: The widths of a telephone and of a small computer, in CSS pixels.
WIDTHS = (390, 1280)
#: Pages that Sphinx makes.
_MADE = {"genindex.html", "search.html"}
_MAN = re.compile(r"\b[a-z][\w.-]*\([1-8]\)")


@dataclass
class Reader(HTMLParser):
    """
    What is in one page.

    @ivar name: its path.
    @ivar names: the targets in it.
    @ivar links: the addresses in it, with the text of each link.
    @ivar next: the page that follows.
    @ivar text: its text outside of links, headings and code.
    """

    name: str
    names: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)
    next: str = ""
    text: str = ""

    def __post_init__(self) -> None:
        """Read nothing yet."""
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect a target or an address."""
        found = {key: value or "" for key, value in attrs}
        self.names.update(found[key] for key in ("id", "name") if key in found)
        for key in ("href", "src", "data"):
            if key in found and tag != "base":
                self.links.append((found[key], ""))
        if tag == "link" and found.get("rel") == "next":
            self.next = urljoin(self.name, found["href"])
        if tag in ("a", "code", "pre", "script", "style", "title", "h1", "h2", "h3"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element whose text does not count."""
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Collect text, or the text of a link."""
        if not self._open:
            self.text += data
        elif self._open[-1] == "a" and self.links:
            address, text = self.links[-1]
            self.links[-1] = (address, text + data)


def read(directory: str) -> dict[str, Reader]:
    """Return all pages of a directory, by their paths."""
    found = {}
    for path in sorted(Path(directory).rglob("*.html")):
        name = path.relative_to(directory).as_posix()
        if not name.startswith("_"):
            found[name] = Reader(name)
            found[name].feed(path.read_text(encoding="utf-8"))
    return found


def broken(directory: str, pages: dict[str, Reader]) -> list[str]:
    """Return the links that lead to no page, no file or no target of this directory."""
    found = []
    for name, page in pages.items():
        for address, _ in page.links:
            parts = urlsplit(urljoin(f"file:///{name}", address))
            if parts.scheme != "file":
                continue
            path = posixpath.normpath(unquote(parts.path)).lstrip("/")
            leads = os.path.isfile(os.path.join(directory, path))
            if path in pages and parts.fragment:
                leads = unquote(parts.fragment) in pages[path].names
            if not leads:
                found.append(f"{name}: {address}")
    return found


class BrokenTests(SynchronousTestCase):
    """Tests for the check of links."""

    def links(self, *addresses: str) -> list[str]:
        """Return which links of a page are broken."""
        directory = Path(self.mktemp())
        directory.mkdir()
        text = "".join(f'<a href="{each}">x</a>' for each in addresses)
        (directory / "a.html").write_text(f'{text}<p id="here">')
        (directory / "b.txt").write_text("")
        return broken(str(directory), read(str(directory)))

    def test_right(self) -> None:
        """Pages, files, targets and other hosts are right."""
        right = ("a.html", "#here", "a.html#here", "b.txt", "https://example.org/x")
        self.assertEqual(self.links(*right), [])

    def test_wrong(self) -> None:
        """A page, a file or a target that does not exist is broken."""
        wrong = ("c.html", "#there", "a.html#there", "d/b.txt", "../b.html")
        self.assertEqual(self.links(*wrong), [f"a.html: {each}" for each in wrong])


def _missing() -> list[str]:
    """Return what a test of the pages needs and does not have."""
    found = [
        name for name in ("sphinx", "furo") if importlib.util.find_spec(name) is None
    ]
    if shutil.which("dot") is None:
        found.append("graphviz")
    if browser.CHROMIUM is None:
        found.append("chromium")
    return found


class PagesTests(ServingTestCase):
    """The pages, as Sphinx builds them without a warning."""

    if _missing():
        skip = f"{', '.join(_missing())} is not installed"

    def test_pages(self) -> None:
        """
        The pages are built, are in order, have no broken link, and do not overflow.

        It is one test so that they are built once.
        """
        self.build()
        self.pages = read(self.built)
        self.assertEqual(broken(self.built, self.pages), [])
        self.checkOrder()
        self.checkManuals()
        self.checkTables()
        self.checkWidths()

    def build(self) -> None:
        """Build the pages."""
        self.built = self.path("pages")
        docs = os.path.join(checkout.ORIGINAL, "docs")
        command = [sys.executable, "-m", "sphinx", "-q", "-E", "-W", "-n", "-b", "html"]
        done = subprocess.run(
            [*command, "-d", self.path("trees"), docs, self.built],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)

    def checkOrder(self) -> None:
        """Check that each page names the next one, through all of them."""
        name, seen = "index.html", []
        while name and name not in seen:
            seen.append(name)
            name = self.pages[name].next
        self.assertEqual(set(seen), set(self.pages) - _MADE)
        listed = [text for _, text in self.pages["index.html"].links]
        self.assertIn("inetd(8)", listed)

    def checkManuals(self) -> None:
        """Check that the name of a man page is a link, to our page if it is ours."""
        for name, page in self.pages.items():
            self.assertEqual(_MAN.findall(page.text), [], name)
            for address, text in page.links:
                if text in ("inetd(8)", "inetd.conf(5)") and "#" not in address:
                    ours = f"man/{text.replace('(', '.').rstrip(')')}.html"
                    self.assertEqual(urljoin(name, address), ours, name)

    def checkTables(self) -> None:
        """Check that no line of a cell has become a row, whose last cell is empty."""
        for name in self.pages:
            text = Path(self.built, name).read_text(encoding="utf-8")
            self.assertNotRegex(text, r"<td>\s*</td>\s*</tr>", name)

    def checkWidths(self) -> None:
        """Check that no page is wider than its window, except what may scroll."""
        profile = self.path("profile")
        found = browser.measure(self.built, list(self.pages), WIDTHS, profile)
        self.assertEqual(len(found), len(self.pages) * len(WIDTHS))
        for each in found:
            self.assertEqual(each.inner, each.width, each)
            self.assertIn("inetdtw", each.title, each)
            self.assertEqual((each.scroll, each.cut), (each.width, []), each)
