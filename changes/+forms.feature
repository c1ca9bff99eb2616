`--check` names what a file or line is made for: xinetd, systemd, launchd, or RPC on HP-UX, AIX
and Solaris, each in one message. It and `inetd FILE` say so if all lines are comments.
