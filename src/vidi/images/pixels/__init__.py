"""Decoded samples to RGB: JPEG through libjpeg-turbo, and the colour rules of everything else."""
