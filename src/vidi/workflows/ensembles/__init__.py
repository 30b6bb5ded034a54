"""Several trainings of one run, combined into one network."""
