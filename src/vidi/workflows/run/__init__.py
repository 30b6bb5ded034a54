"""The stages of a training run: read, check, split, learn (`workflows/run/learning/`), calibrate, test, report."""
