"""Videos with planted events, and how the events that are found compare with them."""
