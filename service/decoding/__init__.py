"""Videos to frames: each is decoded by a process of its own that can reach nothing else."""
