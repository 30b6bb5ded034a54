"""Images for people to label: where they come from, their order, what was said, and the data set of it."""
