"""The steps of a comparison of two models."""
