"""Studies of a run's images: label errors, learning curves, learning rates, previews."""
