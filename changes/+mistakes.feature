A mistake in the configuration is one log line with file, line, column and field.
