The keys stderr, env, passenv, nodelay and keepalive; tcpmux (RFC 1078).
