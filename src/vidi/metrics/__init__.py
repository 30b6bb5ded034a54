"""Pure functions over arrays: what is measured, and how sure it is."""
