"""Zip and tar files, read safely and in place."""
