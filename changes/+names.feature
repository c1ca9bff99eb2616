`--explain`, `status`, `clients`, `pause` and `resume` find a service by every name that the
file, the log or `inetd status` has: `ftp`, `21/tcp`, `127.0.0.1:21`, `daytime/tcp#2`.
