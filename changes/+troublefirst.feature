`inetd status` fits into 80 columns and lists services in trouble first, each with its reason
below. Long names and addresses are shortened, and reasons are wrapped. On a terminal, trouble
is red and pauses are yellow, unless `NO_COLOR` is set.
