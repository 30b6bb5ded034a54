"""One look at every image, and what its owner should know."""
