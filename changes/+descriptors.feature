`inetd status --json` and `/metrics` (`inetd_descriptors`, `inetd_descriptors_share`) show how many file descriptors the daemon has open for each purpose, and how many it may have.
