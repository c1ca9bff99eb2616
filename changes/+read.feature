A line that ends in a backslash continues, keywords may be in capitals, and ports may have
leading zeros. `internal` followed by other words serves what the line names, with a warning.
