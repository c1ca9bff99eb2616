The keys umask, directory, nice, groups, chroot and rlimit_* set a program's context.
