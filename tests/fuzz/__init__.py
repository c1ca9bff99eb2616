# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A coverage-guided fuzzer on what reads bytes that others have written."""
