"""The models that are served: opened, self-tested, and exchanged while requests go on."""
