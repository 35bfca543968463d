"""Networks in a cluster of Ray Serve instead of this process."""
