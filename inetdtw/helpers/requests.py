# -*- test-case-name: inetdtw.helpers.test.test_protocol -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What the daemon requests of fork servers and warm processes.

Each request is one packet over a sequenced-packet socket.  It begins with a L{HEADER},
and descriptors may come with it:

  - L{LAUNCH}: the program, then the variables that only this child gets, divided by NUL
    characters.  One to three descriptors become 0, 1 and 2 of the child.
  - L{ACCEPT}: the program.  The descriptor is a listening socket to accept from.
  - L{WITHDRAW}: nothing.  Stop accepting from a listening socket.
  - L{CANCEL_RESTARTS}: nothing.  Restart none of the programs that run.

A warm process runs one program only, so its requests do not name it.

The text of a warm process includes this, so it must run on CPython 3.7 and import
extension modules only.
"""

from __future__ import annotations

import _struct

LAUNCH, ACCEPT, WITHDRAW, CANCEL_RESTARTS = range(1, 5)

#: The kind; whether the program is in a file, the last of the descriptors, because a
#: packet is too small for it; the number of the packet, which is also that of a launch
#: request; the number of the listening socket; how many children there may be; and the
#: length of the program.
#:
#: L{LAUNCH}: the program may be restarted so often.  L{ACCEPT}: so many children may
#: run at once for connections that are accepted by the helper process; 0 for no limit.
HEADER = _struct.Struct("=B?xxIIII")
