"""Weights that were learnt on other images, to begin from: where they come from, under which licence."""
