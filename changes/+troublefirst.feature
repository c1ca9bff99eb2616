``inetd status`` lists services in trouble first, each with its reason below, which is wrapped
and not cut.  Where rows are too wide, long names are shortened instead of the ports of others.
On a terminal, trouble is red and pauses are yellow, unless ``NO_COLOR`` is set.
