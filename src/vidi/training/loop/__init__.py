"""One training: the loop, its state and schedule, its checkpoints."""
