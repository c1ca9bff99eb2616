SIGHUP reads the files again: sockets stay, running programs stay, and a file with a
mistake changes nothing.
