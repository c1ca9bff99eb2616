`--check` names what a file or line is made for: xinetd, systemd, launchd, or RPC on HP-UX, AIX
and Solaris, each in one message; it says so if all lines are comments.
