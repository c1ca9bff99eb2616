# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Configure Sphinx, for the HTML guide and the man pages."""

import os
import sys

sys.path[:0] = [
    os.path.dirname(__file__),
    os.path.join(os.path.dirname(__file__), ".."),
]

from inetdtw import __version__  # noqa: E402 - of this checkout

project = "inetdtw"
author = copyright = "the inetdtw authors"
# Pages do not depend on the day of their build.  Man pages, which are shipped built, do
# not depend on the version.
release = version = ""
today = project

extensions = ["naming", "reference", "sequence"]
graphviz_output_format = "svg"
exclude_patterns = ["README.rst"]
nitpicky = True
highlight_language = "none"
smartquotes = False

html_title = f"{project} {__version__}"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["pages.css"]
html_show_copyright = False
html_copy_source = False

man_pages = [
    ("man/inetd.8", "inetd", "start a program for every client", "", 8),
    ("man/inetd.conf.5", "inetd.conf", "the services of inetd", "", 5),
]
man_make_section_directory = True
