The options `-c`, `-C`, `-s` and `-a` do what they do in FreeBSD's inetd.
