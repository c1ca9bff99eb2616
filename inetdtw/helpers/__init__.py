# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Programs that run in other processes, and the wire format that they share.

These modules import the standard library and one another only.
L{inetdtw.launch.forkserver.code} lists those that a fork server runs, and
L{inetdtw.helpers.warm} those that a warm process runs.

C{TYPE_CHECKING = False} stands for C{typing.TYPE_CHECKING}, because C{typing} would
double what these processes import.  A type checker takes it for true.
"""
