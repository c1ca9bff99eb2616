`inetd clients [SERVICE]` prints who is served now: the process id, the address of the
client, the user, since when, and how the program was started.  `GET /clients` of the control
socket has the same as JSON.
