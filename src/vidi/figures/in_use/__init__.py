"""Figures of a model in use."""
