A fork server accepts the connections of a service without bounds by itself, and goes
on by itself with a burst of datagrams for a `wait` service.
