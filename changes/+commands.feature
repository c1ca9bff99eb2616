`inetd stop` ends the daemon, and `inetd drain --wait SECONDS` gives up after a time. Words
such as `restart`, `list` and `logs` are answered with what to do, and `-h` is help.
