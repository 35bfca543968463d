"""Frames that come one by one over a WebSocket."""
