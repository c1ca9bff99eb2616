All errors of a line or a definition are reported at once, without follow-up errors.  For an
ordinary user, the services that only root can run are one message; PATH is printed once.
