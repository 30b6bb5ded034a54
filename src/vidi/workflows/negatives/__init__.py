"""Images that show none of the classes: backgrounds, hard negatives and counter-examples."""
