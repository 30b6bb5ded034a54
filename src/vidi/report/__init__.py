"""Results as one HTML file, and the model card."""
