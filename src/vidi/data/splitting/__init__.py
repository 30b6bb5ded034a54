"""Who is trained on and who is tested on, and what would leak."""
