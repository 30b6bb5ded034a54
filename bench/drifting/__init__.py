"""The parts of `python -m bench drift`: the scenario, disturbed images, streams, and the rivals."""
