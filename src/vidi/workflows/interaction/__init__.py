"""Between the user and a verb: reading data, progress, stopping, the run folder, writing answers."""
