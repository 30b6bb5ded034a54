"""One module for each kind of source: from files to images with their classes."""
