# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Side by side with other superservers: C{python -m benchmarks}.

See C{README.rst} beside this file for what is measured and how to read it.
"""
