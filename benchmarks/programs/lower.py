# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A service that gives every line back in lower case."""

from sys import stdin

for line in stdin:
    print(line.lower(), end="")
