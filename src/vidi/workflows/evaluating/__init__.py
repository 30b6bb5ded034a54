"""The steps of an evaluation: boxes, and whether a figure can be trusted."""
