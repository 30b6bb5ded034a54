"""Sentences about a model in use: what comes in, and how good its answers are."""
