"""What executes a model file's graph: an engine a file, each held to the answers that the file holds."""
