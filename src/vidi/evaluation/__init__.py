"""From answers and truth to figures."""
