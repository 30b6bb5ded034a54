"""Weights pretrained on other images: where they come from, under which licence."""
