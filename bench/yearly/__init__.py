"""A simulated year in use: traffic that drifts, labels, retraining, and who decides what is put in use."""
