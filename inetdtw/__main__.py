# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{python -m inetdtw} is the C{inetd} command."""

from inetdtw.cli.entry import main

if __name__ == "__main__":
    main()
