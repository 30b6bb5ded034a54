"""The steps of a retraining: its request, both models on the same images, and the gate's document."""
