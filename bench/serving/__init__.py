"""The server beside others: one load generator, the same model and photographs for all, each alone in turns."""
