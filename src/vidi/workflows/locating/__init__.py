"""The steps of a search for boxes, and their output."""
