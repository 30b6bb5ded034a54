"""What `vidi watch` does with frames and events."""
