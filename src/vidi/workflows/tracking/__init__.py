"""Trainings sent to experiment trackers: what a tracker is, the list of them, and one file each."""
