"""Videos that are followed in the background, and outlive the server."""
