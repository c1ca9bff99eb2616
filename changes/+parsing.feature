A configuration that nobody can mean is read up to a thousand mistakes, 65536 statements
or 10 MB, in less than a second per megabyte (`python -m benchmarks.parsing`).
