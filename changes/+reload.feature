`inetd reload` prints errors and warnings as `--check` does, with their lines.
