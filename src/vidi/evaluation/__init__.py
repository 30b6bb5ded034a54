"""From answers and true classes to figures."""
