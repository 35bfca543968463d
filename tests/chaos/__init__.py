"""Faults injected into real servers: what callers see, and that nothing is lost or left."""
