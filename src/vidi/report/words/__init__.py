"""Sentences about results; they need no optional package."""
