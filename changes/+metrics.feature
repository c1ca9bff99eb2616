`--metrics ENDPOINT` has the daemon tell the same figures to Prometheus.
