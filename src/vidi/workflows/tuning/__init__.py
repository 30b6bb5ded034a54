"""The steps of a search for a better recipe."""
