"""One training by several processes: each learns from its share of every batch, and all have the same weights."""
