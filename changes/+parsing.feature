A configuration that nobody can mean is read up to a thousand mistakes, 65536 statements
or 10 MB, in a time that grows with its length (`python -m benchmarks.parsing`).
