A shortage is said once in the log, not again for every client that meets it.
