`--log-level`, `--log-addresses` and `--log-format json`; SIGUSR2 logs the state of every
service.
