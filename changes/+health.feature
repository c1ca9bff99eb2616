`inetd health` exits with 1 for what an operator must mend, with lines that are left out of the
configuration and rejected reloads, and not for limits, shortages and an operator's pauses.
`inetd health --ready` and `--live` are probes for load balancers and for restarts.
