"""What answers: the HTTP server, its client and the command line."""
