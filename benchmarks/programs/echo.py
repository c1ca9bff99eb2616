# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A service that gives every byte back."""

import shutil
import sys

shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)
