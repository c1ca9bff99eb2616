`twistd inetd --conf FILE`, the `inetd` command and `python -m inetdtw` serve TCP, UDP
and UNIX sockets from inetd.conf: `stream nowait`, `stream wait`, `dgram wait`, and
`dgram nowait` with a program for every datagram.
