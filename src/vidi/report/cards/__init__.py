"""Cards: what a model is for, how good it is and where it fails, as hubs for models show it."""
