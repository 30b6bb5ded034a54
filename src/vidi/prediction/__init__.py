"""From a model file and images to answers; no torch."""
