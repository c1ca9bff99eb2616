Sockets that the daemon is started with (`LISTEN_FDS`) are served: ports below 1024
without root, and no client is refused while it is started again.
