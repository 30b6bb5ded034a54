"""The steps of `vidi demo loop`: a month of traffic, and a real server that answers it."""
