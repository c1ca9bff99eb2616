bash, zsh and fish complete the names of services, which the running daemon has, for `inetd
status`, `clients`, `pause`, `resume` and `--explain`.  There is a completion for zsh.
`inetd status --names` prints the names.
