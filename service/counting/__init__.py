"""Lines and zones in a picture, and who crosses or stays in them."""
