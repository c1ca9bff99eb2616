# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The C{inetd} command of C{twistd}."""

from twisted.application.service import ServiceMaker


class _BeforeItsEqual(str):
    """
    A name that sorts just before a plain L{str} equal to it.

    Twisted has an C{inetd} of its own; C{twistd} sorts commands by name and runs the
    first match.
    """

    def __lt__(self, other: str) -> bool:
        return super().__le__(other)


inetd = ServiceMaker(
    "inetdtw", "inetdtw.tap", "An inetd(8) super-server.", _BeforeItsEqual("inetd")
)
