`inetd status --watch` scrolls with the arrow and page keys, ends with `q`, redraws after a
resize, and restores the terminal when it is stopped by Ctrl-Z.
