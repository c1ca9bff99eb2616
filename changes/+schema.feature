JSON schemas describe each member of `inetd status --json`, `inetd clients --json` and
`GET /health`; they are installed in `share/inetdtw`.
