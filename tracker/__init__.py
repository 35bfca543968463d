"""What follows boxes: Kalman filter, gating, assignment, appearance, and a track's life."""
