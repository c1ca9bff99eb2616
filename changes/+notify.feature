A supervisor is told that the daemon is ready, reloads, stops and lives (`NOTIFY_SOCKET`,
`WATCHDOG_USEC`).
