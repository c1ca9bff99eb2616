A second daemon of one user gets a control socket of its own, and the log says which.
