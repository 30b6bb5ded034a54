"""Limits, operating points and verdicts: what is guaranteed, and whether it holds."""
