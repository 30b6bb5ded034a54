"""Several trainings of one run, and the one network that they become."""
