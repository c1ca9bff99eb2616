Every line of the log is what happened, to which service, and `name=value` pairs; reloads
say which services have changed.  What a helper process was accepting
when it died, and whom tcpmux sends away for saying nothing, has its line, too.
