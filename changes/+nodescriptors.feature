With no descriptors left clients wait where they were closed before; a clock that is set
changes no pause; a file that has become empty is no wish to serve nothing.  Services leave
some to their clients: who cannot have a socket for that is told of, and tried again.
