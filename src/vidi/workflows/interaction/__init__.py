"""Between the user and a verb: requests, progress, stopping, the run folder and written answers."""
