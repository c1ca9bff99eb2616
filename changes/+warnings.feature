A configuration file that others can replace draws a warning; no control character of
its name, or of a program, gets into the log.  `SECURITY.rst` is the threat model.
