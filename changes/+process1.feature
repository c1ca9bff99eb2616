As process 1 of a container it waits for orphans, and ends when it is asked to at any
time; `inetd -f --stdout` logs to standard output.
