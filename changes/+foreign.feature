A line that asks for what is not here (access rules, RPC, ident and others) gets a message
that names it.
