"""From the body of a request to what is in its pictures."""
