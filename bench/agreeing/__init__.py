"""The agreement bench's parts: images, a model, hosts that answer, and the comparison."""
