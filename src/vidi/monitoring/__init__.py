"""Whether what comes in is still what the model was calibrated on: the reference that a model file carries."""
