`contrib/kubernetes` has a Deployment, a Service, a ConfigMap and an autoscaler on the daemon's
metrics; the guide's page "More than one machine" says what a load balancer must send.
