"""Finding images of one scene: near-copies and bursts."""
