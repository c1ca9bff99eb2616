The man pages inetd(8) and inetd.conf(5), and completion of options for bash and fish,
are installed with the package; `docs/` has the guide.
