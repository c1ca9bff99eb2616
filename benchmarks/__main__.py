# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{python -m benchmarks}."""

import sys

from benchmarks.command import main

sys.exit(main(sys.argv[1:]))
