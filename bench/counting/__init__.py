"""Trainings of many small images whose operations are counted, not their seconds: other work changes no figure."""
