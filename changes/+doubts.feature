`--check` warns of what is valid but probably not meant: a script or an option in place of
`argv[0]`, `dgram nowait` with tftpd and its like, `tcp6` without a line for IPv4, a `#` within
a word, and a program that is not in the `chroot`.
