Positional lines of every inetd and NetBSD's key-value definitions, mixed in one file;
`.include`, default addresses, folders of files.
