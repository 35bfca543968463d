"""What every route shares: limits, keys, request ids, logs, answers, and the server process."""
