"""How this computer trains fastest, chosen by measuring."""
