"""What can be known of an image file before any pixel is decoded: one module for each format that is read."""
