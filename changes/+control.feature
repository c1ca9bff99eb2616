`inetd status`, with `--json` and `--watch`, shows the state and the figures of every
service of a daemon that runs; `inetd reload`, `pause SERVICE`, `resume SERVICE` and `drain`
tell it what to do, and `inetd health` is a probe.  They reach it by a UNIX socket of its own
user's (`--control`), in HTTP, so that `curl --unix-socket` does as well.
