"""What was predicted, for which image, and what people said of it: rows in a database, written and deleted."""
