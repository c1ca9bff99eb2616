What programs write to standard error has the severity `notice` in the system log, which no
other line has. `twistd --syslog inetd` logs errors as `err` and warnings as `warning`.
