"""Between the user and a verb: data that is read, progress, stopping, the run folder and written answers."""
