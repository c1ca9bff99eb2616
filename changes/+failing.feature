A service whose program is missing, or fails every client, has the state `failing` and the
reason. The last failure of each service is in `inetd status`, JSON and the metrics.
