The rows of ``inetd status`` fit into a terminal of 80 columns: the time that a pause ends is
only below the table, and a long address is shortened on a terminal.
