# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Measure web pages in a headless Chromium.

A page that is served on the loopback interface loads all others, one after the other,
into a frame of a given width, and posts what it finds.
"""

from __future__ import annotations

import functools
import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

#: The command, if it is installed.
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: What may be wider than its place, and scrolls there.
SCROLLING = "pre, div.table-wrapper, div.graphviz, div.wide"
#: Seconds in which all pages must be loaded.
DEADLINE = 240

_SCRIPT = """\
<!DOCTYPE html>
<body>
<script>
const {pages, widths, scrolling} = CASES;

// The elements that are cut off, or scroll, and may not.
function isCut(element) {
  const style = element.ownerDocument.defaultView.getComputedStyle(element);
  return element.scrollWidth > element.clientWidth && style.overflowX != "visible"
    && !element.matches(scrolling + ", .visually-hidden, input");
}

function named(element) {
  return element.localName + [...element.classList].map((each) => "." + each).join("");
}

async function measured(page, width) {
  const frame = document.createElement("iframe");
  frame.style = `width: ${width}px; height: 900px; border: 0`;
  document.body.append(frame);
  await new Promise((loaded) => { frame.onload = loaded; frame.src = page; });
  const root = frame.contentDocument.documentElement;
  const cut = [...root.querySelectorAll("*")].filter(isCut).map(named);
  const found = {page, width, inner: frame.contentWindow.innerWidth,
    scroll: root.scrollWidth, title: frame.contentDocument.title, cut};
  frame.remove();
  return found;
}

(async () => {
  const all = [];
  for (const page of pages)
    for (const width of widths)
      all.push(await measured(page, width));
  await fetch("/measured", {method: "POST", body: JSON.stringify(all)});
})();
</script>
"""


@dataclass(frozen=True)
class Measured:
    """
    One page at one width, in CSS pixels.

    @ivar page: its path.
    @ivar width: the width of the frame.
    @ivar inner: the width of the window, which the page sees.
    @ivar scroll: the width of the page, more than that if it overflows.
    @ivar title: its title.
    @ivar cut: the elements wider than their place, except those that may scroll.
    """

    page: str
    width: int
    inner: int
    scroll: int
    title: str
    cut: list[str]


class _Handler(SimpleHTTPRequestHandler):
    """
    Serve a directory, the page that measures, and take what that posts.

    @ivar script: the page.
    @ivar found: what it has posted.
    """

    script: bytes
    found: queue.Queue[bytes]

    def do_GET(self) -> None:
        """Serve a file, or the page that measures."""
        if self.path != "/measure":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self.script)))
        self.end_headers()
        self.wfile.write(self.script)

    def do_POST(self) -> None:
        """Take the result."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.found.put(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def _served(handler: type[_Handler], directory: str) -> Iterator[int]:
    """Serve while the block runs, and yield the port."""
    made = functools.partial(handler, directory=directory)
    with ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _chromium(profile: str, address: str) -> Iterator[None]:
    """Run Chromium with a page while the block runs."""
    command = [
        *(CHROMIUM or "chromium", "--headless=new", "--no-sandbox", "--disable-gpu"),
        *("--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update"),
        *(f"--user-data-dir={profile}", "--remote-debugging-port=0", address),
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": profile},
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def measure(
    directory: str, pages: Sequence[str], widths: Sequence[int], profile: str
) -> list[Measured]:
    """
    Return what each page of a directory is at each width.

    @param profile: an empty directory for Chromium.

    @raise queue.Empty: if that takes too long.
    """
    cases = {"pages": pages, "widths": widths, "scrolling": SCROLLING}
    script = _SCRIPT.replace("CASES", json.dumps(cases)).encode()
    found: queue.Queue[bytes] = queue.Queue()
    handler = type("_Handler", (_Handler,), {"script": script, "found": found})
    with (
        _served(handler, directory) as port,
        _chromium(profile, f"http://127.0.0.1:{port}/measure"),
    ):
        return [Measured(**each) for each in json.loads(found.get(timeout=DEADLINE))]
