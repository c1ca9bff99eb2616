`warm = yes` and `--warm` keep an interpreter for a service whose program is Python's,
and fork it for every client: CPython 3.7 or later, scripts, `-m` and `-c`; `preload`
imports modules in advance.  The log and SIGUSR2 tell warm starts from cold ones.
