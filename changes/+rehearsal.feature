A warm service starts its programs faster: what a child does besides its program is run once
before the first client, so that the interpreter has specialized it, and exits are handled
together.  The `seconds` of an `exit` line are measured by the process that has started the
program.
