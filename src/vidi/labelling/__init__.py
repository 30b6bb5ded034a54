"""Which images people should label, and what several people's answers say together. Pure functions over arrays."""
