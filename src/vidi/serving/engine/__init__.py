"""How images are answered: models, processes that decode, threads that run them, counters and the log."""
