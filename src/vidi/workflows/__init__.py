"""The whole story, one page each."""
