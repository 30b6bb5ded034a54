"""Pixels in and out: one decoder for every path, framing, and the pool of workers that runs them."""
