`--log-rate` limits how many lines of each kind a service may have in the log in ten seconds, by default 2,000 of 200
bytes on average: a program's standard error, what a warm interpreter says, refused clients, failed starts, dropped
datagrams, bad exits.  `suppress` says how many lines were left out.
