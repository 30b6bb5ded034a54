"""Pages about a model in use."""
