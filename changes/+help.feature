`inetd --help` is in groups; a command line that is wrong ends with 2, everything else
that is wrong with 1.
