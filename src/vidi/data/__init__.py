"""Where images and their classes come from: readers, check, split and cache."""
