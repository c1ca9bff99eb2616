# -*- test-case-name: inetdtw.helpers.test.test_protocol -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The requests of the daemon to fork servers and warm processes.

Each request is one packet over a sequenced-packet socket.  It begins with a L{HEADER},
and descriptors may come with it:

  - L{LAUNCH}: the program, then the variables that only this child gets, divided by NUL
    characters.  One to three descriptors become 0, 1 and 2 of the child.
  - L{ACCEPT}: the program.  The descriptor is a listening socket, which is delegated:
    accept its connections, and start a program for each.
  - L{WAIT}: the program.  The first descriptor is a datagram socket, which is
    delegated: start a program when it is readable, and wait for the exit of that one.
    A second descriptor becomes 2 of each child.
  - L{WITHDRAW}: nothing.  Start no more programs for a delegated socket.

A warm process runs one program only, so its requests do not name it.

The text of a warm process includes this, so it must run on CPython 3.7 and import
extension modules only.
"""

from __future__ import annotations

import _struct

LAUNCH, ACCEPT, WAIT, WITHDRAW = range(1, 5)

#: The kind; whether the program is in a file, the last of the descriptors, because a
#: packet is too small for it; the number of the packet, which is also that of a launch
#: request; the number of the delegated socket; how many children may run at once for
#: all delegated sockets, 0 for no limit; and the length of the program.
HEADER = _struct.Struct("=B?xxIIII")
