The rows of ``inetd status`` fit into a terminal of 80 columns: the end of a pause is
printed below its row, and a long address is shortened on a terminal.
