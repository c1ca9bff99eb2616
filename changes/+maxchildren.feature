`--max-children` bounds the programs of all services together, by default to half of the
processes that the user may have; more clients wait in the backlogs.
