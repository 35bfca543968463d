"""From the frames of a video to the lines of its track stream."""
