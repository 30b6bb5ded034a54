"""The first rung of a run: which pretrained network, its features, and the head on them."""
