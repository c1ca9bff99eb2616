The standard error of a `wait` service's program goes to the daemon's log by default, so that
the traceback of a UDP service can be found. `--service-stderr socket|log|null` sets the
default for all lines, and the key `stderr` overrides it.
