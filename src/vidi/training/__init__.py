"""From arrays to weights: recipe, loop, schedule, checkpoints."""
