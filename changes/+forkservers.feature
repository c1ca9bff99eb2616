Programs are started by fork servers that took on their user and context before they
saw a client; `launch = direct` has the daemon start them itself.
