The internal services echo, discard, chargen, daytime and time, over TCP and UDP.
