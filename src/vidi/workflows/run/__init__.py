"""The steps of a training run, from the plan to the published model file."""
