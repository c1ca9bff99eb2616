# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Unit tests of the modules beside the subpackages, and fakes for all."""
