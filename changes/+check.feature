`inetd --check FILE...` says all that is wrong with files and opens nothing;
`--explain SERVICE` prints a service with all defaults, as a definition.
