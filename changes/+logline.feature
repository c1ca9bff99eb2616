Every line of the log is what happened, to which service, and `name=value` pairs; reloads
say which services have changed.
